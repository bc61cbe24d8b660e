"""The account on one of the two servers, logged in; tokens that ran out are renewed on the way.

Nothing of it is kept: a command that goes on logs in anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from tempest_pds.migration.errors import CallRefused, CodeAwaited, MigrationError
from tempest_pds.migration.owner import Owner
from tempest_pds.migration.xrpc import Headers, Params, Server
from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did

T = TypeVar("T")

_SERVER: Final = "com.atproto.server"
_FACTOR_WANTED: Final = "AuthFactorTokenRequired"
_OUTWORN: Final = frozenset({"ExpiredToken", "InvalidToken"})
_APP_PASSWORD_SCOPES: Final = frozenset({"com.atproto.appPass", "com.atproto.appPassPrivileged"})


class Session:
    """Calls methods as the account.

    Attributes:
        account: what the server told of it when it logged in: `handle`, `email`, `status` and more.
    """

    def __init__(
        self, server: Server, did: Did, answer: Mapping[str, Any], log_in: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> None:
        self.server = server
        self.did = did
        self.account = answer
        self._log_in = log_in
        self._renewing = asyncio.Lock()
        self._take(answer)

    @classmethod
    async def open(cls, server: Server, did: Did, password: str, owner: Owner, *, factor: str | None = None) -> Session:
        """Log in by DID and password; asks for the code of a second factor where the server wants one.

        Args:
            factor: a code that the owner has got already.

        Raises:
            CallRefused: the password is wrong, or the server has no such account.
            MigrationError: the password is one for apps.
            CodeAwaited: the code of the second factor is wanted, and nobody is here to type it.
        """
        codes = [factor] if factor else []

        async def log_in() -> Mapping[str, Any]:
            # An account that was taken down may not do much, but it may move.
            given: dict[str, Any] = {"identifier": str(did), "password": password, "allowTakendown": True}
            if codes:
                given["authFactorToken"] = codes.pop()
            try:
                return await server.procedure(f"{_SERVER}.createSession", given)
            except CallRefused as error:
                if error.error != _FACTOR_WANTED:
                    raise
                code = owner.code(
                    f"{server.name} asks for a sign-in code, from a mail or your authenticator app. The code"
                )
                if code is None:
                    raise CodeAwaited(f"{server.name} asks for a sign-in code", "--auth-factor-token") from error
                return await server.procedure(f"{_SERVER}.createSession", given | {"authFactorToken": code})

        answer = await log_in()
        if answer.get("did") != did:
            raise MigrationError(f"{server.name} logged in {answer.get('did')} in place of {did}")
        session = cls(server, did, answer, log_in)
        if session._scope() in _APP_PASSWORD_SCOPES:
            raise MigrationError(f"that is an app password of {server.name}: a move takes the account's own password")
        return session

    async def query(self, nsid: str, params: Params | None = None) -> dict[str, Any]:
        """Ask a query; see `Server.query`."""
        return await self._authorised(lambda headers: self.server.query(nsid, params, headers))

    async def procedure(
        self,
        nsid: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the lexicons' word
        *,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Call a procedure; see `Server.procedure`."""
        return await self._authorised(
            lambda headers: self.server.procedure(nsid, input, headers, repeatable=repeatable)
        )

    async def download(self, nsid: str, params: Params, path: Path, **more: Any) -> Mapping[str, str]:
        """Write an answer to a file; see `Server.download`."""
        return await self._authorised(lambda headers: self.server.download(nsid, params, path, headers, **more))

    async def upload(self, nsid: str, path: Path, content_type: str, **more: Any) -> dict[str, Any]:
        """Send a file; see `Server.upload`."""
        return await self._authorised(lambda headers: self.server.upload(nsid, path, content_type, headers, **more))

    async def _authorised(self, call: Callable[[Headers], Awaitable[T]]) -> T:
        token = self._access
        try:
            return await call({"Authorization": f"Bearer {token}"})
        except CallRefused as error:
            if error.error not in {*_OUTWORN, _FACTOR_WANTED}:
                raise
            # Some methods take a second factor that was given a few minutes ago, and a move may take hours.
            renew = self._log_in_again if error.error == _FACTOR_WANTED else self._renew
        async with self._renewing:
            # Another call may have renewed it while this one waited.
            if token == self._access:
                await renew()
        return await call({"Authorization": f"Bearer {self._access}"})

    async def _renew(self) -> None:
        headers = {"Authorization": f"Bearer {self._refresh}"}
        try:
            self._take(await self.server.procedure(f"{_SERVER}.refreshSession", None, headers))
        except CallRefused:
            await self._log_in_again()

    async def _log_in_again(self) -> None:
        self._take(await self._log_in())

    def _take(self, answer: Mapping[str, Any]) -> None:
        try:
            self._access, self._refresh = str(answer["accessJwt"]), str(answer["refreshJwt"])
        except KeyError as error:
            raise MigrationError(f"{self.server.name} gives no session") from error

    def _scope(self) -> str | None:
        try:
            scope = decode_unverified(self._access).claims.get("scope")
        except InvalidSyntax:
            # Tokens of a kind that is not ours to read.
            return None
        return scope if isinstance(scope, str) else None
