"""One request that both servers are sent, and what its account has made so far.

A path may hold the names of `State` in braces; a body may be a function of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

POST, LIKE, PROFILE = "app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.actor.profile"
NOW = "2026-01-02T03:04:05.678Z"
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
RAW_CID = "bafkreidmclqgoloilqzrg3fs2dvqxd2tcub7w6qfav27ijih6bjj4ikus4"
NOBODY = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"


@dataclass
class State:
    """What the account under test is and has made."""

    did: str
    handle: str
    password: str
    other_did: str
    other_handle: str
    app_password: str = ""
    uri: str = ""
    cid: str = ""
    commit: str = ""
    blob: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


Body = Callable[[State], Any]


@dataclass(frozen=True)
class Exchange:
    """One request. `auth` names a token of the state, or None; `raw` is a body that is sent as it is."""

    name: str
    method: str
    path: str
    body: Body | None = None
    auth: str | None = None
    raw: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def post(**more: Any) -> dict[str, Any]:
    return {"$type": POST, "text": "hi", "createdAt": NOW, **more}


def create(record: Any, collection: str = POST, **more: Any) -> Body:
    return lambda s: {"repo": s.did, "collection": collection, "record": record, **more}
