"""An account on a server under test, and the calls that a test makes with it."""

import itertools
import secrets
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.process import ServerProcess, json_request

_numbers: Iterator[int] = itertools.count(1)


class CallRefused(Exception):
    """The server answered with an error: its status, its name and its message."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.name = body.get("error") if isinstance(body, dict) else None


@dataclass
class Account:
    """A signed-up account. `query` and `procedure` speak with its access token."""

    server: ServerProcess
    did: str
    handle: str
    password: str
    access: str
    refresh: str

    def query(self, nsid: str, **params: Any) -> Any:
        query = urllib.parse.urlencode(params, doseq=True)
        return self._call(f"/xrpc/{nsid}?{query}", None)

    def procedure(self, nsid: str, **body: Any) -> Any:
        return self._call(f"/xrpc/{nsid}", body)

    def post(self, text: str, rkey: str | None = None) -> Any:
        """Write a post and return the answer of createRecord."""
        more = {} if rkey is None else {"rkey": rkey}
        return self.procedure(
            "com.atproto.repo.createRecord", repo=self.did, collection="app.bsky.feed.post", record=post(text), **more
        )

    def _call(self, path: str, body: object) -> Any:
        status, answer = json_request(self.server.url + path, body, headers={"Authorization": f"Bearer {self.access}"})
        if status != 200:
            raise CallRefused(status, answer)
        return answer


def post(text: str) -> dict[str, Any]:
    """Return a post record that is valid now."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": now, "langs": ["en"]}


def sign_up(server: ServerProcess, prefix: str = "user", **more: str) -> Account:
    """Create an account with a handle that no other test has."""
    handle = f"{prefix}{next(_numbers)}-{secrets.token_hex(2)}.test"
    password = secrets.token_urlsafe(12)
    body = {"handle": handle, "email": f"{handle}@mail.test", "password": password, **more}
    status, made = json_request(f"{server.url}/xrpc/com.atproto.server.createAccount", body)
    if status != 200 or not isinstance(made, dict):
        raise CallRefused(status, made)
    return Account(server, made["did"], handle, password, made["accessJwt"], made["refreshJwt"])
