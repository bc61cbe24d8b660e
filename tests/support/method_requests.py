"""Requests of every method that its lexicon takes, and what the table of access says of an app that makes them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import httpx

from tempest_pds.http.access import NONE, Access
from tempest_pds.http.oauth_needs import (
    AccountNeed,
    BlobNeed,
    IdentityNeed,
    OAuthNeed,
    Refused,
    ServiceNeed,
    ServiceTokenNeed,
    WritesNeed,
)
from tempest_pds.protocol.lexicon.lexicons import Lexicons

LEXICONS = Lexicons()
SERVICE_AUTH = "com.atproto.server.getServiceAuth"
CID = "bafkreifjzcsgsjfpzjhfnv6q3scd7dlyyducdo62udrqhmtqzjphzwfyma"
LISTS = ("dids", "actors", "cids")
POST, DID = "app.bsky.feed.post", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
APP_VIEW, OTHER, ASKED = "did:web:view.example.com", "did:web:other.example.com", "com.example.ask"
RECORD = {"$type": POST}
_SUBJECT = {"$type": "com.atproto.admin.defs#repoRef", "did": DID}
TRANSITIONS: Final = ("transition:generic", "transition:chat.bsky", "transition:email")
WRITES = [
    {"$type": "com.atproto.repo.applyWrites#create", "collection": POST, "value": RECORD},
    {"$type": "com.atproto.repo.applyWrites#update", "collection": POST, "rkey": "a", "value": RECORD},
    {"$type": "com.atproto.repo.applyWrites#delete", "collection": POST, "rkey": "b"},
]
FIELDS: dict[str, Any] = {
    **dict.fromkeys(("did", "repo", "account", "actor", "recipientDid", "senderDid", "identifier"), DID),
    "dids": [DID],
    "actors": [DID],
    # Too short for a server to give.
    "handle": "a.test",
    **dict.fromkeys(("name", "password", "token", "email", "content"), "x"),
    "useCount": 1,
    "codeCount": 1,
    "cid": CID,
    "cids": [CID],
    "collection": POST,
    "rkey": "a",
    "record": RECORD,
    "writes": WRITES,
    "subject": _SUBJECT,
    "preferences": [],
    "operation": {},
    "uri": f"at://{DID}/{POST}/a",
    "nsid": POST,
    "aud": f"{OTHER}#svc",
    "lxm": ASKED,
}
"""What a field is called, and something that the lexicons take for it."""


Verdict = tuple[int, str | None]
"""The status, and the error or else the kind of caller that a method was told of."""


def request(nsid: str, did: str = DID) -> tuple[str, str, dict[str, Any]]:
    """Give a request that the method's lexicon takes, as method, path and arguments of httpx.

    Args:
        did: whose repository it is about.
    """
    fields = FIELDS | {"repo": did, "did": did}
    schema = (LEXICONS.document(nsid) or {})["defs"]["main"]
    names = [*schema.get("parameters", {}).get("required", ()), *(["lxm"] if nsid == SERVICE_AUTH else [])]
    pairs = [(name, each) for name in names for each in (fields[name] if name in LISTS else [fields[name]])]
    path = f"/xrpc/{nsid}?{httpx.QueryParams(pairs)}"
    if schema["type"] == "query":
        return "GET", path, {}
    given = schema.get("input")
    if given is None:
        return "POST", path, {}
    if given["encoding"] != "application/json":
        encoding = "image/png" if given["encoding"] == "*/*" else given["encoding"]
        return "POST", path, {"content": b"x", "headers": {"content-type": encoding}}
    return "POST", path, {"json": {name: fields[name] for name in given["schema"].get("required", ())}}


def enough(nsid: str, need: OAuthNeed, app_view: str = APP_VIEW) -> list[str]:
    """Give scopes each of which is enough for a method; an empty one where nothing but `atproto` is needed."""
    match need:
        case AccountNeed(attribute, _):
            return [f"account:{attribute}?action=manage"]
        case IdentityNeed("*"):
            return ["identity:*"]
        case IdentityNeed("handle"):
            return ["identity:handle", "identity:*"]
        case WritesNeed():
            actions = "&".join(f"action={action}" for action in written(nsid, need))
            return [f"repo:{POST}?{actions}", f"repo:*?{actions}", "repo:*", "transition:generic"]
        case BlobNeed():
            return ["blob:image/png", "blob:image/*", "blob:*/*", "transition:generic"]
        case ServiceNeed():
            view = f"aud={quote(app_view, safe=':')}%23bsky_appview"
            return [f"rpc:{nsid}?{view}", f"rpc:*?{view}", f"rpc:{nsid}?aud=*", "transition:generic"]
        case ServiceTokenNeed():
            return [f"rpc:{ASKED}?aud={OTHER}%23svc", f"rpc:*?aud={OTHER}%23svc", "transition:generic"]
    return [""]


def all_but(nsid: str, need: OAuthNeed) -> str:
    """Give all scopes there are, but for those that would be enough for a method; and some that come close."""
    everything = [f"account:{attribute}?action=manage" for attribute in ("email", "repo", "status")]
    everything += ["identity:handle", "identity:*", "repo:*", "blob:*/*", *TRANSITIONS]
    everything += ["rpc:com.example.other?aud=*", f"rpc:*?aud={OTHER}%23other", f"rpc:*?aud={APP_VIEW}%23other"]
    everything += [f"rpc:{nsid}?aud={OTHER}%23svc"] * isinstance(need, ServiceNeed)
    match need:
        case AccountNeed(attribute, _):
            everything.append(f"account:{attribute}")
        case WritesNeed():
            *others, _ = written(nsid, need)
            everything += [f"repo:{POST}?{'&'.join(f'action={a}' for a in others)}"] * bool(others)
            everything.append("repo:app.bsky.feed.like")
        case BlobNeed():
            everything += ["blob:video/*", "blob:image/jpeg"]
    return " ".join(scope for scope in everything if scope not in enough(nsid, need))


def written(nsid: str, need: WritesNeed) -> list[str]:
    return [action for _, action in need.writes(request(nsid)[2]["json"])]


def for_app(access: Access, *, granted: bool) -> Verdict:
    if access == NONE:
        return 200, None
    if access.oauth is None:
        return 401, "AuthMissing" if access.refresh else "AuthenticationRequired"
    if isinstance(access.oauth, Refused):
        return 403, "Forbidden"
    return (200, "oauth") if granted else (403, "ScopeMissingError")
