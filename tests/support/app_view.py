"""An AppView that says what a test gave it to say, to whoever asks it through a PDS."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.process import ServerProcess


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


class AppViewStub:
    """Answer by `answers`, whose keys are NSIDs; anything else is a MethodNotImplemented. `did` is its did:web."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, parse_qs(parts.query), headers, body, _claims(headers))
                said = stub.say(parts.path, asked)
                data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in {"Content-Type": "application/json", **said.headers}.items():
                    if value:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[:-1] if said.cut else data)
                self.close_connection = self.close_connection or said.cut

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        port = self._server.server_address[1]
        self.url = f"http://localhost:{port}"
        self.did = f"did:web:localhost%3A{port}"

    def say(self, path: str, asked: Asked) -> Says:
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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


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
