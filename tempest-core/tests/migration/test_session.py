"""The account logged in on a server that wants a second factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from tempest_pds.migration.errors import CallRefused, NotNow
from tempest_pds.migration.owner import Owner
from tempest_pds.migration.session import Session
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.syntax.did import Did

ALICE = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
LOGIN, SIGN = "com.atproto.server.createSession", "com.atproto.identity.signPlcOperation"


class GuardedServer:
    """Opens sessions with a code, each used once, and signs for the newest session alone."""

    name = "the source"

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.session = 0

    async def procedure(
        self, nsid: str, given: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> dict[str, Any]:
        if nsid == LOGIN:
            if given is None or given.get("authFactorToken") not in self.codes:
                raise CallRefused(self.name, nsid, 401, "AuthFactorTokenRequired", "a code is needed")
            self.codes.remove(given["authFactorToken"])
            self.session += 1
            return {"did": ALICE, "accessJwt": f"access {self.session}", "refreshJwt": "refresh"}
        assert headers is not None
        if headers["Authorization"] != f"Bearer access {self.session}" or self.session < 2:
            raise CallRefused(self.name, nsid, 401, "AuthFactorTokenRequired", "sign in again")
        return {"operation": {}}


class Typist:
    """An owner who has some codes."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)

    def code(self, question: str) -> str | None:
        assert "authenticator app" in question
        return self.codes.pop(0) if self.codes else None


async def open_session(server: GuardedServer, owner: Typist, factor: str | None = None) -> Session:
    return await Session.open(cast(Server, server), ALICE, "password", cast(Owner, owner), factor=factor)


async def test_a_factor_that_was_given_too_long_ago_is_asked_for_anew() -> None:
    server, owner = GuardedServer("first", "second"), Typist("second")
    session = await open_session(server, owner, factor="first")
    assert await session.procedure(SIGN) == {"operation": {}}
    assert (server.codes, owner.codes) == ([], [])


async def test_with_nobody_there_the_command_waits_for_another_code() -> None:
    session = await open_session(GuardedServer("first"), Typist("first"))
    with pytest.raises(NotNow, match="--auth-factor-token CODE"):
        await session.procedure(SIGN)
