"""`docs/endpoints.md`, from the methods as they are declared and from the lexicons that come with the server."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tempest_pds.http.access import NONE, Access
from tempest_pds.http.admin import load_admin_routes
from tempest_pds.http.method_access import METHOD_ACCESS, PASSED_ON_ACCESS
from tempest_pds.http.methods import load_methods
from tempest_pds.http.oauth.documents import OAuthDocuments
from tempest_pds.http.oauth.endpoints import OAuthEndpoints
from tempest_pds.http.pages.admin_actions import ACTIONS
from tempest_pds.http.pages.admin_login import LOGIN, LOGOUT, AdminLogin
from tempest_pds.http.pages.admin_pages import PAGES
from tempest_pds.http.pages.metrics import MetricsPage
from tempest_pds.http.pages.people.all_pages import PAGES as PEOPLE_PAGES
from tempest_pds.http.pages.people.site import PeopleSite
from tempest_pds.http.pages.service import ServicePages
from tempest_pds.http.plc_ledger_pages import PlcLedgerPages
from tempest_pds.http.rate_limits import DAY, GLOBAL, HOUR, MINUTE, WRITES_PER_DAY, WRITES_PER_HOUR, Limit
from tempest_pds.http.xrpc import Method
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.oauth.server_metadata import INTROSPECT_PATH, PUSHED_REQUEST_PATH, REVOKE_PATH, TOKEN_PATH
from tempest_pds.services.credentials import FULL, STANDARD, Scope
from tempest_pds.services.method_rules import CREATE_REPORT, is_own, is_privileged, is_protected

_WINDOWS: Final = {5 * MINUTE: "in 5 minutes", HOUR: "an hour", DAY: "a day"}
_METHOD_KINDS: Final = frozenset({"query", "procedure", "subscription"})
_HEAD = f"""# Endpoints

Every method that Tempest answers itself, those that it passes on, and those that it does not have. This page is
generated from the declarations in `tempest_pds/http/methods/` and from the lexicons that come with the server.

Methods lie below `/xrpc/`, as in `GET /xrpc/com.atproto.server.describeServer`. A query is a `GET`, a procedure a
`POST`, a subscription a WebSocket. Errors are `{{"error": "…", "message": "…"}}`.

**Who may call.** A *session* is a token of `createSession` or `refreshSession`, by the account's password or an app
password; *by the account's password* leaves app passwords out. A *service token* is one that an account's own server
has signed for this server and method. An *app* has an OAuth token, sent as `Authorization: DPoP` with a proof; beside
`atproto` it needs the scope that is named, or a `transition:` scope that stands for it, where *any app* needs no more.
A query or procedure of another service needs `rpc:` with the method and that service. The *administrator* gives the
token whose hash is `TEMPEST_ADMIN_TOKEN_HASH`, as `Authorization: Basic` with the user name `admin`, or as `Bearer`.
*Also* names callers who may do or see more than anybody.

**What it costs.** Every request counts against {GLOBAL.points:,} in 5 minutes for an address. *Points* count against
{WRITES_PER_HOUR.points:,} an hour and {WRITES_PER_DAY.points:,} a day for an account. Whatever else a method counts
against stands in its row. Over a limit the answer is 429 with `Retry-After`; each answer tells the tightest limit in
its `RateLimit` headers.
"""
_COLUMNS = "\n| Method | Kind | Who may call | An app needs | Cost | What it does |\n|---|---|---|---|---|---|\n"
_PAGES = """
## Pages

Not methods of the protocol, and not limited:

| Path | What it does |
|---|---|
"""
_ADMIN = """
## Administration

Not methods of the protocol: what the commands of `tempest` ask. Only the administrator may call them. Parameters of a
`GET` are its query, those of a `POST` members of a JSON object. What is called *long* answers with lines of JSON,
`{"progress": …}` now and then, and at last `{"result": …}` or `{"error": …, "message": …}`; when its client goes away
it ends where that leaves all in order.

| Route | What it does |
|---|---|
"""
_OAUTH = """
## OAuth

For apps: documents by GET, endpoints by POST with a form or JSON. Refusals are those of OAuth, `{"error": …,
"error_description": …}`. [Signing in](signing-in.md#for-authors-of-apps) tells how they are used.

| Path | What it does |
|---|---|
"""
_PEOPLE = """
## The pages for people

For a browser; the first `*` stands for the DID of an account, whose owner has to be signed in. The steps below
`/oauth/authorize` are of a request that was begun in the same browser.

| Page | What it does |
|---|---|
"""
_OPERATOR = """
## The operator's pages

For a browser. Whoever is not signed in is sent to the login, or refused if it was a form; `*` stands for the DID of an
account.

| Page | What it does |
|---|---|
"""
_PASSED_ON = f"""
## Passed on

Any other method goes, with the caller's token turned into a service token, to the service that the header
`atproto-proxy` names; without that header to a service by the method's name. A session may have any of them passed on,
an app needs {PASSED_ON_ACCESS.oauth}. A call without a token is refused with 401; a method that no lexicon here knows,
called without one, with 501.

| Methods | Go to | |
|---|---|---|
"""
_NOT_HERE = """
## Not here

These are not for the AppView to answer, and this version does not have them: they answer 501, `MethodNotImplemented`.
They are for relays, labelers and entryways; `updateAccountSigningKey` and `dereferenceScope` the reference server does
not have either. With an `atproto-proxy` header they are passed on
to the service that it names, but for those that are marked: a WebSocket, or a method for which a token in the wrong
hands would be the loss of the account.

| Method | Kind | |
|---|---|---|
"""


def endpoints_page() -> str:
    """Write the page."""
    methods = load_methods()
    lexicons = Lexicons()
    parts = [_HEAD]
    for family in dict.fromkeys(map(_family, sorted(methods))):
        own = [method for nsid, method in sorted(methods.items()) if _family(nsid) == family]
        parts.append(f"\n## {family}\n{_COLUMNS}")
        parts += map(_row, own)
    parts.append(_PAGES)
    parts += [f"| `{path}` | {_sentence(page).partition(': https:')[0].rstrip('.')}. |\n" for path, page in _pages()]
    parts.append(_ADMIN)
    routes = sorted(load_admin_routes().values(), key=lambda route: route.path)
    parts += [f"| `{route.http_method} {route.path}` | {_sentence(route.handler)} |\n" for route in routes]
    parts.append(_OAUTH)
    parts += [f"| `{path}` | {_sentence(handler).partition(': RFC')[0].rstrip('.')}. |\n" for path, handler in _oauth()]
    parts.append(_PEOPLE)
    people = [(f"{page.http_method} {page.path}", page.handler) for page in PEOPLE_PAGES]
    parts += [f"| `{page}` | {_sentence(handler)} |\n" for page, handler in people]
    parts.append(_OPERATOR)
    parts += [f"| `{page}` | {_sentence(made)} |\n" for page, made in _operator_pages()]
    parts.append(_PASSED_ON)
    kinds = {nsid: kind for nsid, kind in _all_kinds(lexicons) if nsid not in methods}
    # A WebSocket is never passed on.
    others = [nsid for nsid, kind in kinds.items() if kind != "subscription" and not is_own(nsid)]
    parts += _passed_on(others)
    parts.append(_NOT_HERE)
    parts += [f"| `{nsid}` | {kind} | {_never(nsid, kind)} |\n" for nsid, kind in kinds.items() if nsid not in others]
    return "".join(parts)


def _all_kinds(lexicons: Lexicons) -> Iterable[tuple[str, str]]:
    for nsid in lexicons:
        document = lexicons.document(nsid)
        kind = (document or {}).get("defs", {}).get("main", {}).get("type")
        if kind in _METHOD_KINDS:
            yield nsid, kind


def _family(nsid: str) -> str:
    return nsid.rpartition(".")[0]


def _row(method: Method) -> str:
    also = " With `atproto-proxy`, passed on." if method.elsewhere else ""
    access = METHOD_ACCESS[method.nsid]
    does = _sentence(method.handler) + also
    cells = (f"`{method.nsid}`", method.kind, _who(access), _app(access), _cost(method), does)
    return f"| {' | '.join(cells)} |\n"


def _sentence(function: Callable[..., Any]) -> str:
    text = inspect.getdoc(function)
    if not text:
        raise ValueError(f"{function.__qualname__} has no docstring")
    sentence = " ".join(text.split("\n\n")[0].split())
    return re.sub(": https?://[^ ]*$", ".", sentence)


def _who(access: Access) -> str:
    kinds = []
    if access.refresh:
        kinds.append("refresh token" + (", even an expired one" if access.allow_expired else ""))
    if access.scopes is not None:
        kinds.append(_session(access))
    if access.service:
        kinds.append("service token")
    if access.moderator:
        kinds.append("service token of the moderation service")
    if access.admin:
        kinds.append("administrator")
    if access.anonymous:
        return f"anybody; also: {', '.join(kinds)}" if kinds else "anybody"
    return ", or ".join(kinds)


def _session(access: Access) -> str:
    assert access.scopes is not None
    words = "session" if access.scopes >= STANDARD else "session by the account's password"
    more = access.scopes - STANDARD - FULL - {Scope.SIGNUP_QUEUED}
    if Scope.TAKENDOWN in more:
        words += " (also after a takedown)"
    if access.refuse_takendown:
        words += " (not after a takedown)"
    return words


def _app(access: Access) -> str:
    if access.oauth is not None:
        return str(access.oauth)
    return "anybody" if access == NONE else "no app"


def _cost(method: Method) -> str:
    # Limits that count by the same key are told together.
    windows: dict[str, list[str]] = {}
    for limit in method.limits:
        windows.setdefault(_key(limit), []).append(f"{limit.points:,} {_WINDOWS[limit.seconds]}")
    costs = [f"{' and '.join(texts)} for {key}" for key, texts in windows.items()]
    if method.cost is not None:
        points = method.cost
        costs.append(f"{points} point{'s' if points != 1 else ''}" if isinstance(points, int) else _sentence(points))
    return "; ".join(cost.rstrip(".") for cost in costs) or "–"


def _key(limit: Limit) -> str:
    """Tell what is counted: the docstring of a key reads "Count by the client's address."."""
    return _sentence(limit.key).removeprefix("Count by ").partition(",")[0].rstrip(".")


def _never(nsid: str, kind: str) -> str:
    return "never passed on" if is_protected(nsid) or kind == "subscription" else ""


def _pages() -> Iterable[tuple[str, Callable[..., Any]]]:
    # The routes are bound methods; what is needed of them is their docstrings, which need no server.
    pages = ServicePages.__new__(ServicePages)
    metrics = MetricsPage.__new__(MetricsPage)
    people = PeopleSite.__new__(PeopleSite)
    yield from {**pages.routes(), **people.routes(), **metrics.routes()}.items()
    yield "/did:plc:…", PlcLedgerPages.handle


def _oauth() -> Iterable[tuple[str, Callable[..., Any]]]:
    yield from OAuthDocuments.__new__(OAuthDocuments).routes().items()
    yield PUSHED_REQUEST_PATH, OAuthEndpoints.push
    yield TOKEN_PATH, OAuthEndpoints.token
    yield REVOKE_PATH, OAuthEndpoints.revoke
    yield INTROSPECT_PATH, OAuthEndpoints.introspect


def _operator_pages() -> Iterable[tuple[str, Callable[..., Any]]]:
    yield f"GET {LOGIN}", AdminLogin.show
    yield f"POST {LOGIN}", AdminLogin.sign_in
    yield f"POST {LOGOUT}", AdminLogin.sign_out
    for page in PAGES + ACTIONS:
        yield f"{page.http_method} {page.path}", page.handler


def _passed_on(nsids: Sequence[str]) -> Iterable[str]:
    groups: Mapping[str, tuple[str, str]] = {
        "app.bsky.": ("the AppView", "`TEMPEST_APPVIEW_URL`"),
        "chat.bsky.": (
            "the service that the client names",
            "not for ordinary app passwords; without a name the AppView",
        ),
        "tools.ozone.": ("the moderation service", "`TEMPEST_MOD_SERVICE_URL`"),
    }
    for prefix, (target, remark) in groups.items():
        count = sum(nsid.startswith(prefix) for nsid in nsids)
        if prefix == "chat.bsky." and not all(map(is_privileged, filter(lambda nsid: nsid.startswith(prefix), nsids))):
            raise ValueError("the remark on chat.bsky is not true any more")
        yield f"| `{prefix}*` ({count} methods that are not served here) | {target} | {remark} |\n"
    for nsid in nsids:
        if nsid == CREATE_REPORT:
            yield f"| `{nsid}` | the report service | `TEMPEST_REPORT_SERVICE_URL` |\n"
        elif not nsid.startswith(tuple(groups)):
            yield f"| `{nsid}` | the AppView | |\n"
    yield "| methods that no lexicon here knows | the AppView | |\n"
