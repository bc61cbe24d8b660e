"""The table of who may call what, held to the running server: every method, by every kind of caller.

What is behind the methods is taken away, so that whoever gets through does nothing. All else is real: parsing, tokens
of sessions and services, proofs. Only the provider's tokens are stood in for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import httpx
import pytest
from edge_server import bare_services
from granted_app import GrantedApp, Grants
from tests.support.method_requests import (
    APP_VIEW,
    LEXICONS,
    TRANSITIONS,
    Verdict,
    all_but,
    enough,
    for_app,
    request,
)
from whole_server import PASSWORD, User, WholeServer, whole_server

from tempest_pds.http.access import NONE, Access
from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.dispatch import Dispatcher
from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.methods import load_methods
from tempest_pds.http.oauth_needs import ANY_APP
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.http.xrpc import Method
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Scope

SERVER, OWN_DID = "com.atproto.server", "did:web:localhost"
METHODS = {nsid: method for nsid, method in load_methods().items() if method.kind != "subscription"}
SESSIONS = {
    "session": Scope.ACCESS,
    "privileged app password": Scope.APP_PASS_PRIVILEGED,
    "app password": Scope.APP_PASS,
    "session after a takedown": Scope.TAKENDOWN,
}


class Curtain:
    """Hides what is behind the methods, once it is drawn."""

    def __init__(self) -> None:
        self.drawn = False

    def before(self, method: Method) -> Method:
        async def handle(call: Call) -> Answer:
            if not self.drawn:
                answer: Answer = await method.handler(call)
                return answer
            return {} if call.credentials is None else {"kind": call.credentials.kind}

        return replace(method, handler=handle)


class Callers:
    """A server, and everybody who may ask it something."""

    def __init__(self, server: WholeServer, app: GrantedApp, alice: User) -> None:
        self.server = server
        self.app = app
        self.alice = alice
        self.tokens: dict[str, str] = {"session": alice.token}

    async def open_sessions(self) -> None:
        for name, privileged in (("app password", False), ("privileged app password", True)):
            made = await self.alice.post(f"{SERVER}.createAppPassword", {"name": name, "privileged": privileged})
            await self._log_in(name, self.alice, made.json()["password"])
        bob = await self.server.sign_up("bob")
        await self.server.take_down(bob)
        await self._log_in("session after a takedown", bob, PASSWORD, allowTakendown=True)

        given = {"identifier": self.alice.did, "password": PASSWORD}
        session = await self.server.http.post(f"/xrpc/{SERVER}.createSession", json=given)
        self.tokens["refresh token"] = session.json()["refreshJwt"]

    async def _log_in(self, name: str, user: User, password: str, **more: bool) -> None:
        given = {"identifier": user.did, "password": password, **more}
        answer = await self.server.http.post(f"/xrpc/{SERVER}.createSession", json=given)
        self.tokens[name] = answer.json()["accessJwt"]

    async def ask(self, nsid: str, token: str | None = None) -> Verdict:
        method, path, more = request(nsid)
        headers = more.pop("headers", {})
        if token is not None:
            headers = headers | {"authorization": f"Bearer {token}"}
        return verdict(await self.server.http.request(method, path, headers=headers, **more))

    async def ask_as_administrator(self, nsid: str) -> Verdict:
        method, path, more = request(nsid)
        return verdict(await self.server.http.request(method, path, auth=("admin", self.server.admin_token), **more))

    async def ask_as_app(self, nsid: str, scope: str) -> Verdict:
        method, path, more = request(nsid)
        return verdict(await self.app.call(method, path, self.alice.did, f"atproto {scope}".strip(), **more))

    async def ask_as_service(self, nsid: str) -> Verdict:
        # Made here, for no client gets a token for a method that is protected.
        return await self.ask(nsid, self.server.services.service_auth.mint(Did(self.alice.did), OWN_DID, nsid))


def verdict(answer: httpx.Response) -> Verdict:
    body = answer.json()
    return answer.status_code, body.get("error", body.get("kind"))


def for_nobody(access: Access) -> Verdict:
    if access.anonymous:
        return 200, None
    return 401, "AuthenticationRequired" if access.admin else "AuthMissing"


def for_session(access: Access, scope: Scope | None) -> Verdict:
    if access == NONE:
        return 200, None
    if access.scopes is not None:
        taken = scope in access.scopes and not (access.refuse_takendown and scope is Scope.TAKENDOWN)
        return (200, "access") if taken else (400, "InvalidToken")
    if access.refresh:
        return 400, "InvalidToken"
    return 401, "BadJwtType" if access.service or access.moderator else "AuthenticationRequired"


def for_service(access: Access) -> Verdict:
    if access == NONE:
        return 200, None
    if access.service:
        return 200, "service"
    if access.scopes is not None or access.refresh:
        return 400, "InvalidToken"
    return 401, "UntrustedIss" if access.moderator else "AuthenticationRequired"


def for_refresh(access: Access) -> Verdict:
    if access.refresh:
        return 200, "refresh"
    # It is no token of any other kind.
    return for_session(access, None)


def for_administrator(access: Access) -> Verdict:
    if access == NONE:
        return 200, None
    if access.admin:
        return 200, "admin"
    return (401, "AuthenticationRequired") if access.anonymous else (400, "InvalidToken")


Found = dict[str, dict[str, set[Verdict]]]
EXPECTED: Mapping[str, Callable[[str, Access], Verdict]] = {
    "nobody": lambda _, access: for_nobody(access),
    "service": lambda _, access: for_service(access),
    "refresh token": lambda _, access: for_refresh(access),
    "administrator": lambda _, access: for_administrator(access),
    **{name: (lambda _, access, scope=scope: for_session(access, scope)) for name, scope in SESSIONS.items()},
    "app with nothing": lambda _, access: for_app(access, granted=access.oauth is ANY_APP),
    "app with enough": lambda _, access: for_app(access, granted=True),
    "app with all but that": lambda _, access: for_app(access, granted=access.oauth is ANY_APP),
    **{
        scope: (
            lambda nsid, access, scope=scope: for_app(
                access,
                granted=access.oauth is not None and bool({"", scope} & set(enough(nsid, access.oauth))),
            )
        )
        for scope in TRANSITIONS
    },
}
"""What each caller gets by the row of a method."""


async def ask_as(callers: Callers, caller: str, nsid: str) -> set[Verdict]:
    need = METHOD_ACCESS[nsid].oauth or ANY_APP
    match caller:
        case "nobody":
            return {await callers.ask(nsid)}
        case "service":
            return {await callers.ask_as_service(nsid)}
        case "administrator":
            return {await callers.ask_as_administrator(nsid)}
        case "app with nothing":
            return {await callers.ask_as_app(nsid, "")}
        case "app with enough":
            return {await callers.ask_as_app(nsid, scope) for scope in enough(nsid, need)}
        case "app with all but that":
            return {await callers.ask_as_app(nsid, all_but(nsid, need))}
        case transition if transition in TRANSITIONS:
            return {await callers.ask_as_app(nsid, transition)}
    return {await callers.ask(nsid, callers.tokens[caller])}


async def ask_everything(folder: Path) -> Found:
    grants, curtain = Grants(), Curtain()
    methods = {nsid: curtain.before(method) for nsid, method in METHODS.items()}
    settings = {"TEMPEST_APPVIEW_DID": APP_VIEW, "TEMPEST_VALIDATE_RESPONSES": "false"}
    with mock.patch("tempest_pds.app.load_methods", return_value={**load_methods(), **methods}):
        async with whole_server(folder, grants, **settings) as server:
            app = GrantedApp(server.http, server.services.server.public_url, grants)
            callers = Callers(server, app, await server.sign_up("alice"))
            await callers.open_sessions()
            curtain.drawn = True
            return {caller: {nsid: await ask_as(callers, caller, nsid) for nsid in METHODS} for caller in EXPECTED}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What everybody was answered by every method."""
    return asyncio.run(ask_everything(tmp_path_factory.mktemp("access")))


@pytest.mark.parametrize("caller", EXPECTED)
def test_every_method_answers_a_caller_as_the_table_says(caller: str, found: Found) -> None:
    expected = {nsid: {EXPECTED[caller](nsid, METHOD_ACCESS[nsid])} for nsid in METHODS}
    assert found[caller] == expected


def test_the_table_has_a_row_for_every_method_and_no_other() -> None:
    assert METHOD_ACCESS.keys() == load_methods().keys()


@pytest.mark.parametrize("rows", [{}, {"com.atproto.server.describeServer": NONE, "com.example.gone": NONE}])
def test_a_server_whose_methods_and_rows_differ_does_not_start(rows: dict[str, Access]) -> None:
    methods = {"com.atproto.server.describeServer": METHODS["com.atproto.server.describeServer"]}
    with pytest.raises(TypeError, match="without a row"):
        Dispatcher(
            services=bare_services(),
            methods=methods,
            access=rows,
            lexicons=LEXICONS,
            authenticator=mock.Mock(),
            limiter=RateLimiter(),
        )
