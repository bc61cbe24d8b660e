"""What an app may do with what it was granted: the table of Tempest, asked of the reference server first.

Only whether an app is let in is compared, and how it is refused. What it would then be answered has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.support.account import sign_up
from tests.support.app_view import BehindAppView
from tests.support.method_requests import FIELDS, OTHER, POST, TRANSITIONS, Verdict, enough, request
from tests.support.oauth_app import loopback_client_id
from tests.support.oauth_person import person
from tests.support.oauth_raw import RawClient

from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.protocol.oauth.errors import ScopeMissing
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.errors import Forbidden

NEEDS = {nsid: access.oauth for nsid, access in METHOD_ACCESS.items() if access.oauth is not None}
# The reference server does not have this one.
SEARCH = "com.atproto.admin.searchAccounts"
WITHOUT_APPS = {nsid for nsid, access in METHOD_ACCESS.items() if access.oauth is None and not access.anonymous} - {
    SEARCH
}
VIEW, LET_IN = "app.bsky.feed.getTimeline", (200, None)
GRANTS = {
    "nothing": "",
    **{scope: scope for scope in TRANSITIONS},
    "what each method needs": "",
    "what comes close": " ".join(
        (
            *("account:email", "account:repo", "account:status?action=manage", "identity:handle"),
            *(f"repo:{POST}?action=create", "repo:app.bsky.feed.like", "blob:image/jpeg", "blob:video/*"),
            *("rpc:com.example.other?aud=*", f"rpc:*?aud={OTHER}%23other", f"rpc:{VIEW}?aud=*"),
            *("rpc:app.bsky.feed.getFeed?aud=*", "rpc:app.bsky.notification.unregisterPush?aud={view}%23bsky_appview"),
        )
    ),
    "a feed and its skeleton": "rpc?lxm=app.bsky.feed.getFeed&lxm=app.bsky.feed.getFeedSkeleton&aud=*",
    "notifications": "rpc:app.bsky.notification.registerPush?aud={view}%23bsky_notif",
    "reports": "rpc:com.atproto.moderation.createReport?aud={view}%23atproto_labeler",
    "everything of one service": "rpc:*?aud={view}%23other",
}
"""What an app has been granted, beside `atproto`; what each method needs depends on where the AppView is."""
FEED = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.generator/best"
REPORT = "com.atproto.moderation.createReport"
REPORTED = {
    "reasonType": "com.atproto.moderation.defs#reasonSpam",
    "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz"},
}


@dataclass(frozen=True)
class PassedOn:
    """A call for another service: what it asks for, as methods and the name of the service in the view's DID."""

    path: str
    needs: tuple[str, ...]
    service: str = "bsky_appview"
    body: Mapping[str, Any] | None = None
    is_named: bool = False


def passed_on(view: str) -> list[PassedOn]:
    push = {"serviceDid": view, "token": "x", "platform": "web", "appId": "x"}
    bsky = "app.bsky."
    return [
        PassedOn(f"{bsky}graph.getFollows?actor=alice.test", (f"{bsky}graph.getFollows",)),
        PassedOn(f"{bsky}graph.getFollows?actor=alice.test", (f"{bsky}graph.getFollows",), "other", is_named=True),
        PassedOn(f"{VIEW}?limit=3", (VIEW,), "other", is_named=True),
        PassedOn(f"{bsky}actor.getPreferences", (f"{bsky}actor.getPreferences",), "other", is_named=True),
        PassedOn(f"{bsky}feed.getFeed?feed={FEED}", (f"{bsky}feed.getFeed", f"{bsky}feed.getFeedSkeleton")),
        PassedOn(f"{bsky}notification.registerPush", (f"{bsky}notification.registerPush",), "bsky_notif", push),
        PassedOn(f"{bsky}notification.unregisterPush", (f"{bsky}notification.unregisterPush",), "bsky_notif", push),
        PassedOn(REPORT, (REPORT,), "atproto_labeler", REPORTED),
        PassedOn("chat.bsky.convo.listConvos", ("chat.bsky.convo.listConvos",), "other", is_named=True),
        PassedOn("com.example.unknown", ("com.example.unknown",), "other", is_named=True),
    ]


def granted(name: str, app_view: str) -> str:
    if name != "what each method needs":
        return f"atproto {GRANTS[name]}".strip().replace("{view}", quote(app_view, safe=":"))
    return " ".join(sorted({"atproto"} | {enough(nsid, need, app_view)[0] for nsid, need in NEEDS.items()} - {""}))


def expected(nsid: str, permissions: ScopeSet, app_view: str) -> Verdict:
    """Tell what the table says of an app."""
    if nsid in WITHOUT_APPS:
        return 401, "AuthMissing" if METHOD_ACCESS[nsid].refresh else "AuthenticationRequired"
    audience = f"{app_view}#bsky_appview"
    given = request(nsid)[2]
    call: Any = SimpleNamespace(
        nsid=nsid,
        params=FIELDS,
        input=given.get("json"),
        content_type=given.get("headers", {}).get("content-type"),
        views=SimpleNamespace(audience=lambda _: audience),
    )
    try:
        NEEDS[nsid].check(permissions, call)
        NEEDS[nsid].check_input(permissions, call)
    except ScopeMissing:
        return 403, "ScopeMissingError"
    except Forbidden:
        return 403, "Forbidden"
    return LET_IN


def send(client: RawClient, access: str, method: str, path: str, more: dict[str, Any]) -> Verdict:
    """Send a request, and tell whether it was let in."""
    headers = more.pop("headers", {})
    url = client.issuer + path
    for _ in range(2):
        sent = {**headers, "Authorization": f"DPoP {access}", "DPoP": client.proof(method, url, access)}
        answer = client.http.request(method, url, headers=sent, **more)
        client.nonce = answer.headers.get("dpop-nonce", client.nonce)
        if 'error="use_dpop_nonce"' not in answer.headers.get("www-authenticate", ""):
            break
    # Whatever else it is, it is the method that answers.
    return (answer.status_code, answer.json()["error"]) if answer.status_code in (401, 403) else LET_IN


@pytest.fixture(scope="module", params=["reference", "tempest"])
def apps(request: pytest.FixtureRequest, behind_app_view: BehindAppView) -> Iterator[Apps]:
    """Somebody's apps, one for each grant."""
    server = behind_app_view.servers[request.param]
    account = sign_up(server, "scopes")
    with httpx.Client(timeout=30) as http:
        owner = person(server, account, http)
        made = Apps(account.did, behind_app_view.stub.did)
        for name in GRANTS:
            scope = granted(name, made.view)
            client = RawClient(server.url, http, loopback_client_id(scope))
            tokens = client.sign_in(owner, scope=scope)
            assert set(tokens.scope.split()) == set(scope.split()), name
            made.apps[name] = client, tokens.access, ScopeSet.parse(scope)
        yield made


@dataclass
class Apps:
    """Clients with their tokens and what these permit."""

    did: str
    view: str
    apps: dict[str, tuple[RawClient, str, ScopeSet]] = field(default_factory=dict)


def test_an_app_may_do_what_the_table_says(apps: Apps) -> None:
    found, table = {}, {}
    for name, (client, access, permissions) in apps.apps.items():
        for nsid in sorted(NEEDS.keys() | WITHOUT_APPS):
            found[name, nsid] = send(client, access, *request(nsid, apps.did))
            table[name, nsid] = expected(nsid, permissions, apps.view)
    assert {key: (verdict, table[key]) for key, verdict in found.items() if verdict != table[key]} == {}


def test_an_app_has_passed_on_what_it_was_granted_of_that_service(apps: Apps) -> None:
    found, table = {}, {}
    for name, (client, access, permissions) in apps.apps.items():
        for call in passed_on(apps.view):
            audience = f"{apps.view}#{call.service}"
            more: dict[str, Any] = {"headers": {"atproto-proxy": audience}} if call.is_named else {}
            method = "GET" if call.body is None else "POST"
            more |= {} if call.body is None else {"json": call.body}
            key = name, call.path, call.service
            found[key] = send(client, access, method, f"/xrpc/{call.path}", more)
            permitted = all(permissions.allows_rpc(need, audience) for need in call.needs)
            table[key] = LET_IN if permitted else (403, "ScopeMissingError")
    assert {key: (verdict, table[key]) for key, verdict in found.items() if verdict != table[key]} == {}
