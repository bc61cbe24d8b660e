"""What is asked of an account in each status it can have: as anybody, and as its owner with each kind of token.

Tokens are those of before the account came into that status, but `narrow`, which its password opens then. The last
requests change the account, and are the last for that reason.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

POST, PROFILE = "app.bsky.feed.post", "app.bsky.actor.profile"
SERVER, REPO, SYNC, IDENTITY = ("com.atproto." + name for name in ("server", "repo", "sync", "identity"))
BSKY = "app.bsky"
RKEY = "3kaaaaaaaaa22"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@dataclass
class Subject:
    """The account that is asked for, and what it has."""

    did: str
    handle: str
    email: str
    password: str
    app_password: str
    cid: str
    blob: str
    tokens: dict[str, str] = field(default_factory=dict)


Body = Callable[[Subject], Any]


@dataclass(frozen=True)
class Request:
    """One request; `token` names one of the subject's, or is None. `data` is sent as it is."""

    path: str
    token: str | None = None
    body: Body | None = None
    data: bytes | None = None
    content_type: str = "application/json"
    is_post: bool = False


REQUESTS: dict[str, Request] = {}


def get(name: str, path: str, *tokens: str | None) -> None:
    for token in tokens or (None,):
        REQUESTS[_named(name, token)] = Request(path, token)


def call(name: str, nsid: str, body: Body | dict[str, Any] | None, *tokens: str | None) -> None:
    made = body if callable(body) or body is None else (lambda _, body=body: body)
    for token in tokens or (None,):
        REQUESTS[_named(name, token)] = Request(nsid, token, made, is_post=True)


def _named(name: str, token: str | None) -> str:
    return name if token is None else f"{name} as {token}"


def post() -> dict[str, Any]:
    return {"$type": POST, "text": "hi", "createdAt": "2026-01-02T03:04:05.678Z"}


# Reading: anybody, and the owner
get("record", f"{REPO}.getRecord?repo={{did}}&collection={POST}&rkey={RKEY}")
get("record by handle", f"{REPO}.getRecord?repo={{handle}}&collection={POST}&rkey={RKEY}")
get("records", f"{REPO}.listRecords?repo={{did}}&collection={POST}")
get("description", f"{REPO}.describeRepo?repo={{did}}")
for name, query in (
    ("getRepo", ""),
    ("getCheckout", ""),
    ("getHead", ""),
    ("getLatestCommit", ""),
    ("getRecord", f"&collection={POST}&rkey={RKEY}"),
    ("getBlocks", "&cids={cid}"),
    ("getBlob", "&cid={blob}"),
    ("listBlobs", ""),
):
    get(f"sync {name}", f"{SYNC}.{name}?did={{did}}{query}", None, "access", "narrow")
get("sync getRepo", f"{SYNC}.getRepo?did={{did}}", "other")
get("sync getBlob", f"{SYNC}.getBlob?did={{did}}&cid={{blob}}", "other")
get("repo status", f"{SYNC}.getRepoStatus?did={{did}}")
get("resolve handle", f"{IDENTITY}.resolveHandle?handle={{handle}}")

# Logging in and staying so
LOGIN = f"{SERVER}.createSession"
call("login", LOGIN, lambda s: {"identifier": s.did, "password": s.password})
call("narrow login", LOGIN, lambda s: {"identifier": s.did, "password": s.password, "allowTakendown": True})
call("app login", LOGIN, lambda s: {"identifier": s.did, "password": s.app_password})
get("session", f"{SERVER}.getSession", "access", "app", "narrow")
get("move report", f"{SERVER}.checkAccountStatus", "access", "app", "narrow")
get("sign-up queue", "com.atproto.temp.checkSignupQueue", "access", "narrow")

# Writing
CREATE = f"{REPO}.createRecord"
call("create", CREATE, lambda s: {"repo": s.did, "collection": POST, "record": post()}, "access", "app", "narrow")
call(
    "put",
    f"{REPO}.putRecord",
    lambda s: {"repo": s.did, "collection": PROFILE, "rkey": "self", "record": {"$type": PROFILE}},
    "access",
)
call("delete", f"{REPO}.deleteRecord", lambda s: {"repo": s.did, "collection": POST, "rkey": "none"}, "access")
APPLIED = {"$type": f"{REPO}.applyWrites#create", "collection": POST, "value": post()}
call("apply", f"{REPO}.applyWrites", lambda s: {"repo": s.did, "writes": [APPLIED]}, "access")
CAR = "application/vnd.ipld.car"
for _token in ("access", "app", "narrow", "service"):
    REQUESTS[f"upload as {_token}"] = Request(f"{REPO}.uploadBlob", _token, None, PNG, "image/png", is_post=True)
for _token in ("access", "app", "narrow"):
    REQUESTS[f"import as {_token}"] = Request(f"{REPO}.importRepo", _token, None, b"rubbish", CAR, is_post=True)
get("missing blobs", f"{REPO}.listMissingBlobs", "access", "narrow")
get("preferences", f"{BSKY}.actor.getPreferences", "access", "app", "narrow")
call("new preferences", f"{BSKY}.actor.putPreferences", {"preferences": []}, "access", "narrow")

# Speaking to others
TOKEN = f"{SERVER}.getServiceAuth?aud=did:web:a.example&lxm="
get("service token", f"{TOKEN}{BSKY}.feed.getTimeline", "access", "app", "narrow")
get("service token to move", f"{TOKEN}{SERVER}.createAccount", "access", "app", "narrow")
get("passed on", f"{BSKY}.graph.getMutes", "access", "app", "narrow")
for view, query in (
    ("feed.getTimeline", ""),
    ("actor.getProfile", "?actor={did}"),
    ("actor.getProfiles", "?actors={did}"),
    ("feed.getAuthorFeed", "?actor={did}"),
    ("feed.getActorLikes", "?actor={did}"),
    ("feed.getPostThread", f"?uri=at://{{did}}/{POST}/{RKEY}"),
):
    get(f"merged {view}", f"{BSKY}.{view}{query}", "access", "narrow")
REPORT = {"reasonType": "com.atproto.moderation.defs#reasonSpam"}
call(
    "report",
    "com.atproto.moderation.createReport",
    lambda s: {**REPORT, "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": s.did}},
    "access",
    "narrow",
)

# The account itself
call("app password", f"{SERVER}.createAppPassword", lambda _: {"name": secrets.token_hex(4)}, "access", "narrow")
get("app passwords", f"{SERVER}.listAppPasswords", "access", "narrow")
call("revoke", f"{SERVER}.revokeAppPassword", {"name": "never was"}, "access", "narrow")
get("invite codes", f"{SERVER}.getAccountInviteCodes", "access", "narrow")
call("deletion code", f"{SERVER}.requestAccountDelete", None, "access", "app", "narrow")
DELETE = f"{SERVER}.deleteAccount"
call("deletion", DELETE, lambda s: {"did": s.did, "password": s.password, "token": "AAAAA-AAAAA"})
call("deletion with a wrong password", DELETE, lambda s: {"did": s.did, "password": "no", "token": "AAAAA-AAAAA"})
get("credentials", f"{IDENTITY}.getRecommendedDidCredentials", "access", "app", "narrow")
call("signature code", f"{IDENTITY}.requestPlcOperationSignature", None, "access", "app", "narrow")
call("signature", f"{IDENTITY}.signPlcOperation", {"token": "AAAAA-AAAAA"}, "access", "app", "narrow")
call("operation", f"{IDENTITY}.submitPlcOperation", {"operation": {}}, "access", "app", "narrow")
call("mail to confirm", f"{SERVER}.requestEmailConfirmation", None, "access", "app", "narrow")
CONFIRM = f"{SERVER}.confirmEmail"
call("confirm mail", CONFIRM, lambda s: {"email": s.email, "token": "AAAAA-AAAAA"}, "access", "app", "narrow")
call("mail to change", f"{SERVER}.requestEmailUpdate", None, "access", "app", "narrow")

# What changes it
call("change mail", f"{SERVER}.updateEmail", lambda s: {"email": f"new-{s.email}"}, "access", "app", "narrow")
call("same handle", f"{IDENTITY}.updateHandle", lambda s: {"handle": s.handle}, "access", "narrow")
call("deactivate", f"{SERVER}.deactivateAccount", {}, "app", "narrow", "access")
call("activate", f"{SERVER}.activateAccount", None, "app", "narrow", "access")
call("refresh", f"{SERVER}.refreshSession", None, "refresh")
call("logout", f"{SERVER}.deleteSession", None, "refresh")
