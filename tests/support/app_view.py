"""An AppView that says what a test gave it to say, to whoever asks it through a PDS."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.process import ServerProcess
from tests.support.stub_server import Request, StubServer


@dataclass(frozen=True)
class Says:
    """An answer: JSON, or bytes as they are. `cut` breaks the connection off before the last byte of the body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it arrived: names of headers in lower case, and the claims of its token, unverified."""

    method: str
    path: str
    params: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    claims: Mapping[str, Any]

    def one(self, name: str) -> str:
        return self.params.get(name, [""])[0]


Answer = Callable[[Asked], Says]
CDN = "https://cdn.example.com/img/%s/plain/%s/%s@jpeg"
NOT_FOUND = Says({"error": "NotFound", "message": "Post not found"}, 400)


class AppViewStub(StubServer):
    """Answer by `answers`, whose keys are NSIDs; anything else is a MethodNotImplemented. `did` is its did:web."""

    host = "localhost"
    protocol = "HTTP/1.1"

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.did = f"did:web:localhost%3A{self.port}"

    def answer(self, request: Request) -> None:
        parts = urlsplit(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.command, request.path, parse_qs(parts.query), headers, request.content, _claims(headers))
        said = self._say(parts.path, asked)
        data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        given = {"Content-Type": "application/json", **said.headers}
        request.send(said.status, data, {name: value for name, value in given.items() if value}, cut=said.cut)

    def _say(self, path: str, asked: Asked) -> Says:
        if path == "/.well-known/did.json":
            types = {"other": "Other", "bsky_notif": "BskyNotificationService", "dead": "Dead"}
            ends = {"dead": "http://localhost:1"}
            services = [
                {"id": f"#{name}", "type": kind, "serviceEndpoint": ends.get(name, self.url)}
                for name, kind in types.items()
            ]
            return Says({"@context": ["https://www.w3.org/ns/did/v1"], "id": self.did, "service": services})
        self.asked.append(asked)
        answer = self.answers.get(path.removeprefix("/xrpc/"))
        return Says({"error": "MethodNotImplemented", "message": "no"}, 501) if answer is None else answer(asked)


@dataclass(frozen=True)
class BehindAppView:
    """Servers by name, and the stub that all of them pass calls on to."""

    stub: AppViewStub
    servers: Mapping[str, ServerProcess]


def reference_settings(stub: AppViewStub) -> dict[str, str]:
    settings = {"PDS_BSKY_APP_VIEW_CDN_URL_PATTERN": CDN}
    for name in ("BSKY_APP_VIEW", "REPORT_SERVICE", "MOD_SERVICE"):
        settings |= {f"PDS_{name}_URL": stub.url, f"PDS_{name}_DID": stub.did}
    return settings


def tempest_settings(stub: AppViewStub) -> dict[str, str]:
    settings = {"TEMPEST_APPVIEW_CDN_URL_PATTERN": CDN, "TEMPEST_SSRF_PROTECTION": "false"}
    for name in ("APPVIEW", "REPORT_SERVICE", "MOD_SERVICE"):
        settings |= {f"TEMPEST_{name}_URL": stub.url, f"TEMPEST_{name}_DID": stub.did}
    return settings


def _claims(headers: Mapping[str, str]) -> Mapping[str, Any]:
    token = headers.get("authorization", "").removeprefix("Bearer ").split(".")
    if len(token) != 3:
        return {}
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(token[1] + "=="))
    return claims
