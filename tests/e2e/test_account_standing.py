"""What is answered about an account in each status, to whom: the same by both servers, but for what is said here."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.e2e.standing_requests import POST, REQUESTS, RKEY, SERVER, Request, Subject
from tests.support.account import Account, CallRefused, sign_up
from tests.support.admin import ADMIN, Admin, repo_ref
from tests.support.process import ServerProcess
from tests.support.reference import ReferencePds
from tests.support.server import Tempest

from tempest_pds.http.method_access import METHOD_ACCESS

STATUSES = ("active", "deactivated", "takendown", "suspended", "deleted")


def _alike(verdict: str, why: str, *names: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(names, (verdict, why))


def _merged(*tokens: str) -> list[str]:
    return [name for name in REQUESTS if name.startswith("merged ") and name.endswith(tokens)]


_HOME = "the record's home says so itself, and asks no AppView"
_REPORTS = "the reference has no service for reports here"
_RUBBISH = "the reference fails on a file that is no CAR"
_ENDED = "a session from before a takedown can do no more than one from after it"
_GONE = "a session does not outlive its account, whatever it is used for"
_ALWAYS = {
    **_alike("500 InternalServerError", _RUBBISH, "import as access", "import as narrow"),
    **_alike("400 InvalidRequest", _REPORTS, "report as access", "report as narrow"),
}
_INACTIVE = _alike("502 UpstreamFailure", _HOME, "record", "record by handle")
DIFFERENCES: dict[str, dict[str, tuple[str, str]]] = {
    "active": _ALWAYS,
    "deactivated": {
        **_ALWAYS,
        **_INACTIVE,
        **_alike("400 NotFound", "he has them still", "invite codes as access", "invite codes as narrow"),
    },
    "takendown": {
        **_INACTIVE,
        **_alike("400 InvalidRequest", _REPORTS, "report as access", "report as narrow"),
        **_alike("400 InvalidRequest", _ENDED, "session as access", "session as app"),
        **_alike(
            "200",
            _ENDED,
            *("move report as access", "move report as app", "sign-up queue as access", "missing blobs as access"),
            *("preferences as app", "service token as access", "service token as app"),
            *("app passwords as access", "revoke as access", "credentials as access", "credentials as app"),
        ),
        **_alike("400 InvalidRequest", _ENDED, "operation as access", "operation as app"),
        **_alike("502 UpstreamFailure", _ENDED, "passed on as access", "passed on as app", *_merged("access")),
        **_alike("400 AccountNotFound", _ENDED, "activate as access"),
        **_alike("200", "whoever speaks for the account, it is down", "upload as service"),
        **_alike("400 InvalidRequest", "the session is refused first", "service token to move as app"),
        **_alike("400 InvalidRequest", "it is what the narrow session is for", "service token to move as narrow"),
    },
    "deleted": {
        **_alike("400 InvalidRequest", _REPORTS, "report as access", "report as narrow"),
        **_alike("400 InvalidRequest", _GONE, "session as access", "session as app", "session as narrow"),
        **_alike("400 InvalidRequest", _GONE, "deactivate as access", "deactivate as narrow"),
        **_alike("400 InvalidRequest", _GONE, "service token to move as app"),
        **_alike("400 InvalidRequest", _GONE, "signature code as access", "signature code as narrow"),
        **_alike("400 InvalidRequest", _GONE, "operation as access", "operation as app", "operation as narrow"),
        **_alike("400 InvalidToken", _GONE, "signature as access", "signature as narrow"),
        **_alike(
            "400 NotFound",
            _GONE,
            *("move report as access", "move report as app", "move report as narrow"),
            *("missing blobs as access", "missing blobs as narrow"),
            *("preferences as access", "preferences as app", "preferences as narrow"),
        ),
        **_alike(
            "200",
            _GONE,
            *("sign-up queue as access", "sign-up queue as narrow", "app passwords as access"),
            *("app passwords as narrow", "revoke as access", "revoke as narrow"),
        ),
        **_alike(
            "500 InternalServerError",
            "the reference fails on a file or a key that it does not have",
            *("service token as access", "service token as app", "service token as narrow"),
            *("service token to move as access", "service token to move as narrow", "upload as service"),
            *("passed on as access", "passed on as app", "passed on as narrow"),
            *("activate as access", "activate as narrow", *_merged("access", "narrow")),
            *("credentials as access", "credentials as app", "credentials as narrow"),
        ),
        **_alike(
            "400 InvalidRequest",
            "who guesses passwords does not learn which accounts are here",
            *("deletion", "deletion with a wrong password"),
        ),
    },
}
"""By status and request: what the reference server answers instead, and why Tempest does not."""


def prepare(server: ServerProcess) -> Subject:
    account, other = sign_up(server, "stand"), sign_up(server, "other")
    made = account.post("words", RKEY)
    app_password = account.procedure(f"{SERVER}.createAppPassword", name="app")["password"]
    app = account.procedure(f"{SERVER}.createSession", identifier=account.did, password=app_password)
    token = account.query(f"{SERVER}.getServiceAuth", aud="did:web:localhost", lxm="com.atproto.repo.uploadBlob")[
        "token"
    ]
    email = f"{account.handle}@mail.test"
    subject = Subject(account.did, account.handle, email, account.password, app_password, made["cid"], "")
    subject.tokens = {
        "access": account.access,
        "refresh": account.refresh,
        "app": app["accessJwt"],
        "other": other.access,
        "service": token,
    }
    blob = json.loads(send(server, REQUESTS["upload as access"], subject)[1])["blob"]
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    record = {"$type": POST, "text": "look", "createdAt": "2026-01-02T03:04:05.678Z", "embed": embed}
    account.procedure("com.atproto.repo.createRecord", repo=account.did, collection=POST, record=record)
    subject.blob = blob["ref"]["$link"]
    return subject


def bring_into(server: ServerProcess, subject: Subject, status: str) -> None:
    admin = Admin.of(server)
    match status:
        case "deactivated":
            as_owner(server, subject).procedure(f"{SERVER}.deactivateAccount")
        case "takendown":
            admin.take_down(repo_ref(subject.did))
        case "suspended":
            # No method of the protocol does it; the lexicons only know it as a status.
            admin.call("_admin/account/suspend", {"account": subject.did})
        case "deleted":
            admin.call(f"{ADMIN}.deleteAccount", {"did": subject.did})
    login = {"identifier": subject.did, "password": subject.password, "allowTakendown": True}
    try:
        subject.tokens["narrow"] = as_owner(server, subject).procedure(f"{SERVER}.createSession", **login)["accessJwt"]
    except CallRefused:
        subject.tokens["narrow"] = subject.tokens["access"]


def as_owner(server: ServerProcess, subject: Subject) -> Account:
    tokens = subject.tokens
    return Account(server, subject.did, subject.handle, subject.password, tokens["access"], tokens["refresh"])


def send(server: ServerProcess, request: Request, subject: Subject) -> tuple[str, bytes]:
    """Send a request; give what it comes to, and the body."""
    path = request.path.format(**vars(subject))
    headers = {} if request.token is None else {"Authorization": f"Bearer {subject.tokens[request.token]}"}
    data = request.data if request.body is None else json.dumps(request.body(subject)).encode()
    if data is not None:
        headers["Content-Type"] = request.content_type
    method = "POST" if request.is_post else "GET"
    sent = urllib.request.Request(f"{server.url}/xrpc/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return "200", answer.read()
    except urllib.error.HTTPError as refused:
        body = refused.read()
        return f"{refused.code} {json.loads(body).get('error')}", body


def expected_answers() -> dict[str, dict[str, str]]:
    """Read the table: by status, then by request."""
    lines = (Path(__file__).parent / "standing_answers.txt").read_text().splitlines()
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")]
    assert tuple(head[1:]) == STATUSES
    table: dict[str, dict[str, str]] = {status: {} for status in STATUSES}
    for name, *cells in rows:
        verdict = ""
        for status, cell in zip(STATUSES, cells, strict=True):
            verdict = verdict if cell == '"' else cell
            table[status][name] = verdict
    return table


def answers(server: ServerProcess, status: str) -> dict[str, str]:
    subject = prepare(server)
    bring_into(server, subject, status)
    return {name: send(server, request, subject)[0] for name, request in REQUESTS.items()}


@pytest.fixture(scope="module")
def all_answers(reference: ReferencePds, tempest: Tempest) -> dict[tuple[str, str], dict[str, str]]:
    """Give the answers by server and status; all at once, for the reference makes whoever logs in wait."""
    with ThreadPoolExecutor(2 * len(STATUSES)) as threads:
        futures = {
            (server.name, status): threads.submit(answers, server, status)
            for server in (reference, tempest)
            for status in STATUSES
            if not (server is reference and status == "suspended")
        }
        return {key: future.result() for key, future in futures.items()}


def test_every_request_is_in_the_table() -> None:
    for status, table in expected_answers().items():
        assert set(table) == set(REQUESTS), status


def test_every_method_that_takes_a_session_is_asked_for() -> None:
    asked = {request.path.partition("?")[0] for request in REQUESTS.values()}
    assert {nsid for nsid, access in METHOD_ACCESS.items() if access.scopes is not None} <= asked


@pytest.mark.parametrize("status", STATUSES)
def test_an_account_answers_as_its_status_allows(
    status: str, all_answers: dict[tuple[str, str], dict[str, str]]
) -> None:
    assert all_answers["Tempest", status] == expected_answers()[status]


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "suspended"])
def test_the_reference_server_answers_alike_but_for_what_is_said_here(
    status: str, all_answers: dict[tuple[str, str], dict[str, str]]
) -> None:
    ours, theirs = all_answers["Tempest", status], all_answers["reference PDS", status]
    found = {name: theirs[name] for name in REQUESTS if theirs[name] != ours[name]}
    assert found == {name: verdict for name, (verdict, _) in DIFFERENCES[status].items()}
