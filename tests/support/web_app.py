"""A web app on this machine, which sends people to the authorization pages of a server, and sees who comes back."""

from __future__ import annotations

import base64
import hashlib
import secrets
from queue import Queue
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.stub_server import Request, StubServer

SCOPE: Final = "atproto transition:generic repo:app.bsky.feed.post identity:handle blob:image/*"
_PAGE: Final = b"<!doctype html><title>app</title><link rel='icon' href='data:,'><p id='app'>The app"


class WebApp(StubServer):
    """The app. `answers` are what people came back with, and by which HTTP method."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Queue[tuple[str, dict[str, str]]] = Queue()

    def answer(self, request: Request) -> None:
        asked = urlsplit(request.path)
        if asked.path == "/back":
            values = request.content.decode() if request.command == "POST" else asked.query
            self.answers.put((request.command, dict(parse_qsl(values))))
        request.send(200, _PAGE, {"Content-Type": "text/html"})

    def authorize_url(self, pds_url: str, **more: str) -> str:
        """Write the address that it sends people to."""
        digest = hashlib.sha256(secrets.token_bytes(32)).digest()
        fields = {
            "client_id": "http://localhost?" + urlencode({"scope": SCOPE, "redirect_uri": f"{self.url}/back"}),
            "redirect_uri": f"{self.url}/back",
            "response_type": "code",
            "scope": SCOPE,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{pds_url}/oauth/authorize?{urlencode(fields)}"
