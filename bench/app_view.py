"""An AppView that costs next to nothing: one answer, made beforehand, to every request."""

import asyncio
import json
from typing import Any, Self, cast

from tests.support.process import free_port

NEWEST = "jzzzzzzzzzzzz"
"""A revision above every other: an AppView that says so knows all."""
_DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
_CID = "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
_TIME = "2020-01-02T03:04:05.678Z"


def timeline(posts: int) -> bytes:
    """Make a timeline as people see it: posts of some length by others, with pictures and counts."""
    return json.dumps({"feed": [{"post": _post(number)} for number in range(posts)], "cursor": _TIME}).encode()


def _post(number: int) -> dict[str, Any]:
    author = {
        "did": _DID,
        "handle": f"author{number}.example.com",
        "displayName": f"Author {number}",
        "avatar": f"https://cdn.example.com/img/avatar/plain/{_DID}/{_CID}@jpeg",
        "viewer": {"muted": False, "blockedBy": False, "following": f"at://{_DID}/app.bsky.graph.follow/{number}"},
        "labels": [],
        "createdAt": _TIME,
    }
    picture = f"https://cdn.example.com/img/feed_thumbnail/plain/{_DID}/{_CID}@jpeg"
    shown = {"thumb": picture, "fullsize": picture, "alt": "", "aspectRatio": {"width": 4, "height": 3}}
    counts = {f"{kind}Count": number for kind in ("reply", "repost", "like", "quote")}
    text = f"Post {number}, about as long as posts are: a sentence, another one, and something to look at below them."
    return {
        "uri": f"at://{_DID}/app.bsky.feed.post/{number}",
        "cid": _CID,
        "author": author,
        "record": {"$type": "app.bsky.feed.post", "text": text, "createdAt": _TIME, "langs": ["en"]},
        "embed": {"$type": "app.bsky.embed.images#view", "images": [shown, shown]},
        "indexedAt": _TIME,
        "viewer": {"threadMuted": False, "embeddingDisabled": False},
        "labels": [],
        **counts,
    }


class AppView:
    """Answers with one timeline, and says that it knows repositories up to `rev`."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://localhost:{self._port}"
        self.did = f"did:web:localhost%3A{self._port}"
        self._body = timeline(50)
        self._server: asyncio.Server | None = None
        self.answer = b""
        self.knows(NEWEST)

    def knows(self, rev: str) -> None:
        """Say from now on that `rev` is the newest revision known."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nAtproto-Repo-Rev: {rev}\r\n"
        self.answer = f"{head}Content-Length: {len(self._body)}\r\n\r\n".encode() + self._body

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", self._port
        )
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._server is not None
        self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, app_view: AppView) -> None:
        self._app_view = app_view
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._read = (self._read + data).split(b"\r\n\r\n")
        assert self._transport is not None
        for _ in heads:
            self._transport.write(self._app_view.answer)
