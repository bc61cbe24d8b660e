"""One examination: the deployment, the network, and what several checks need and the server is asked for once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

from tempest_pds.doctor.deployment import Deployment, Options
from tempest_pds.doctor.network import Network
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.errors import BadAnswer, RemoteError
from tempest_pds.remote.safe_fetch import Fetched

T = TypeVar("T")

_MAX_BYTES: Final = 4 * 1024 * 1024


class UnknownAccount(RemoteError):
    """The operator named an account that the server cannot find."""


class AskedTooOften(RemoteError):
    """The server's own limits of requests have been reached."""


@dataclass(frozen=True, slots=True)
class HostedRepo:
    """A row of com.atproto.sync.listRepos."""

    did: str
    active: bool


class Examination:
    """What every check is given."""

    def __init__(self, deployment: Deployment, options: Options, network: Network, plugins: PluginManager) -> None:
        self.deployment = deployment
        self.options = options
        self.network = network
        self.plugins = plugins
        self.description = _Once(self._describe)
        """What com.atproto.server.describeServer answers, from outside; raises RemoteError."""
        self.repos = _Once(self._list_repos)
        """The accounts that are looked at: those that the operator names, or the first ones; raises RemoteError."""
        self.hosted_handle = _Once(self._find_handle)
        """A handle that is a host name of this server; None when there is no account with one."""

    async def close(self) -> None:
        """Give up on what is under way."""
        for once in (self.description, self.repos, self.hosted_handle):
            await once.close()

    async def get(self, path: str) -> Fetched:
        """Ask the server by its public URL; raises RemoteError."""
        url = self.deployment.public_url + path
        return _not_too_often(await self.network.http.fetch("GET", url, max_bytes=_MAX_BYTES))

    async def query(self, nsid: str, **params: str) -> dict[str, Any]:
        """Call a query by the public URL; raises RemoteError, for any answer but 200 as well."""
        answer = await self.get(f"/xrpc/{nsid}?{urlencode(params, quote_via=quote)}")
        return _object_of(nsid, answer)

    async def get_here(self, path: str) -> Fetched:
        """Ask the server on this machine, past proxy and DNS, only inside; raises RemoteError."""
        settings = self.deployment.settings
        key = None if settings is None else settings.rate_limit_bypass_key
        headers = {} if key is None else {"x-ratelimit-bypass": key}
        url = self.local_url() + path
        return _not_too_often(await self.network.http.fetch("GET", url, headers=headers, max_bytes=_MAX_BYTES))

    async def get_nearest(self, path: str) -> Fetched:
        """Ask by the shortest way there is: what the answer says matters, and not how it came; raises RemoteError."""
        if self.deployment.settings is not None:
            with suppress(RemoteError):
                return await self.get_here(path)
        return await self.get(path)

    async def query_nearest(self, nsid: str, **params: str) -> dict[str, Any]:
        """Call a query by the shortest way; raises RemoteError, for any answer but 200 as well."""
        return _object_of(nsid, await self.get_nearest(f"/xrpc/{nsid}?{urlencode(params, quote_via=quote)}"))

    def local_url(self) -> str:
        """Give where the server listens on this machine; only inside."""
        settings = self.deployment.settings
        assert settings is not None
        address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind_address, settings.bind_address)  # noqa: S104
        if ":" in address and not address.startswith("["):
            address = f"[{address}]"
        return f"http://{address}:{settings.port}"

    async def _describe(self) -> dict[str, Any]:
        return await self.query("com.atproto.server.describeServer")

    async def _list_repos(self) -> list[HostedRepo]:
        if self.options.dids or self.options.handles:
            resolved = [await self._resolve(handle) for handle in self.options.handles]
            return [HostedRepo(did, active=True) for did in dict.fromkeys([*self.options.dids, *resolved])]
        found: list[HostedRepo] = []
        params: dict[str, str] = {}
        wanted = self.options.accounts
        while wanted is None or len(found) < wanted:
            page = await self.query_nearest(
                "com.atproto.sync.listRepos", limit=str(min(wanted or 1000, 1000)), **params
            )
            rows = page.get("repos")
            if not isinstance(rows, list):
                raise BadAnswer("com.atproto.sync.listRepos answers without a list")
            found += [HostedRepo(str(row.get("did")), active=bool(row.get("active", True))) for row in rows]
            if not rows or not isinstance(page.get("cursor"), str):
                break
            params = {"cursor": page["cursor"]}
        return found[:wanted]

    async def _resolve(self, handle: str) -> str:
        try:
            return str((await self.query_nearest("com.atproto.identity.resolveHandle", handle=handle)).get("did"))
        except BadAnswer as error:
            raise UnknownAccount(f"the server finds no account {handle}") from error

    async def _find_handle(self) -> str | None:
        for handle in self.options.handles:
            if self.network.is_own(handle):
                return handle
        # A dozen is enough to tell: most accounts have a handle of their server.
        for repo in [repo for repo in await self.repos() if repo.active][:12]:
            with suppress(BadAnswer, InvalidSyntax):
                described = await self.query_nearest("com.atproto.repo.describeRepo", repo=repo.did)
                handle = Handle.parse(str(described.get("handle")))
                if self.network.is_own(handle):
                    return handle
        return None


class _Once(Generic[T]):
    """A question that is asked when somebody first wants the answer, and once; its failure is kept as well."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._task: asyncio.Future[T] | None = None

    async def __call__(self) -> T:
        if self._task is None:
            self._task = asyncio.ensure_future(self._ask())
        # Shielded: the check that asked first may run out of time while others still wait.
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _not_too_often(answer: Fetched) -> Fetched:
    if answer.status == 429:
        raise AskedTooOften("the server limits requests, also those of the doctor")
    return answer


def _object_of(nsid: str, answer: Fetched) -> dict[str, Any]:
    if answer.status != 200:
        raise BadAnswer(f"{nsid} answers with status {answer.status}{_own_words(answer)}")
    found = answer.json()
    if not isinstance(found, dict):
        raise BadAnswer(f"{nsid} answers with something else than an object")
    return found


def _own_words(answer: Fetched) -> str:
    error = error_name(answer)
    return "" if error is None else f" ({error})"


def error_name(answer: Fetched) -> str | None:
    """Give the name of an XRPC error; None when the answer is none, so that somebody else than a PDS made it."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return None
    name = body.get("error") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None
