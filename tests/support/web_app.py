"""A web app on this machine, without tokens: it sends people to a server, and keeps what they come back with."""

from __future__ import annotations

import base64
import hashlib
import secrets
from queue import Queue
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.process import ServerProcess
from tests.support.stub_server import Request, StubServer

SCOPE = "atproto transition:generic repo:app.bsky.feed.post identity:handle blob:image/*"


class WebApp(StubServer):
    """Listens at `url`; `answers` has a method and the fields that came with it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Queue[tuple[str, dict[str, str]]] = Queue()

    def answer(self, request: Request) -> None:
        asked = urlsplit(request.path)
        if asked.path == "/back":
            values = request.content.decode() if request.command == "POST" else asked.query
            self.answers.put((request.command, dict(parse_qsl(values))))
        page = b"<!doctype html><title>app</title><link rel='icon' href='data:,'><p id='app'>The app"
        request.send(200, page, {"Content-Type": "text/html"})

    def authorize_url(self, pds: ServerProcess, scope: str = SCOPE, **more: str) -> str:
        """Return where it sends people; `more` are further parameters, or others."""
        digest = hashlib.sha256(secrets.token_bytes(32)).digest()
        fields = {
            "client_id": "http://localhost?" + urlencode({"scope": scope, "redirect_uri": f"{self.url}/back"}),
            "redirect_uri": f"{self.url}/back",
            "response_type": "code",
            "scope": scope,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{pds.url}/oauth/authorize?{urlencode(fields)}"
