"""An application of somebody's: the npm package @atproto/oauth-client-node, unchanged, as a child process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from tests.support.node import Node

_SCRIPT = Path(__file__).with_name("oauth_app.mjs")
REDIRECT_URI = "http://127.0.0.1:3999/callback"
"""Nobody listens there: a test reads the parameters from the redirect and hands them over."""
EVERYTHING = "atproto transition:generic transition:email"


class AppFailed(Exception):
    """The client threw. `name` is the error of the protocol where there is one, else the class in JavaScript."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(f"{answer['name']}: {answer['error']} {answer['below'] or ''}")
        self.name: str = answer["name"]
        self.status: int | None = answer["status"]
        self.message: str = answer["error"]


def loopback_client_id(scope: str = EVERYTHING, redirect_uri: str = REDIRECT_URI) -> str:
    """Return the identifier of a development client, which needs no document: it says all in itself."""
    return f"http://localhost?{urlencode({'redirect_uri': redirect_uri, 'scope': scope}, quote_via=quote)}"


class OAuthApp:
    """One process of the application; two over one folder are two processes with one store.

    Args:
        metadata: the client's document; without it the client is that of `client_id`, a loopback client.
        keys: its private keys, as JWK.
        clock_offset: seconds by which its clock is ahead.
        wrap: turns the command line into one that runs elsewhere.
    """

    def __init__(
        self,
        node: Node,
        folder: Path,
        pds: str,
        plc: str,
        *,
        client_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        keys: Sequence[Mapping[str, Any]] | None = None,
        response_mode: str = "query",
        clock_offset: int = 0,
        allow_http: bool = True,
        env: Mapping[str, str] | None = None,
        wrap: Callable[..., list[str]] | None = None,
    ) -> None:
        given = {
            "pds": pds,
            "plc": plc,
            "folder": str(folder),
            "clientId": client_id or loopback_client_id(),
            "metadata": metadata,
            "keys": keys,
            "responseMode": response_mode,
            "clockOffset": clock_offset,
            "allowHttp": allow_http,
        }
        command = node.command(_SCRIPT, json.dumps(given))
        self._command = command if wrap is None else wrap(*command)
        self._env = node.environment(**(env or {}))
        self._log = folder.parent / f"{folder.name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self._env
            )
        assert self.answer() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def ask(self, action: str, **details: Any) -> Any:
        """Have it do something, and return what that comes to."""
        self.begin(action, **details)
        return self.answer()

    def begin(self, action: str, **details: Any) -> None:
        """Have it do something, and go on at once."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": action, **details}).encode() + b"\n")
        self._child.stdin.flush()

    def answer(self) -> Any:
        """Return what the first of the things begun comes to, or raise `AppFailed`."""
        assert self._child is not None
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the application ended: {self._log.read_text()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AppFailed(answer)
        return answer["ok"]

    # What an application does

    def authorize(self, user: str, **options: Any) -> str:
        """Begin a sign-in, and return the address to send the user to."""
        url: str = self.ask("authorize", input=user, options=options)
        return url

    def callback(self, parameters: Mapping[str, str]) -> str:
        """Take the user back, and return their DID."""
        did: str = self.ask("callback", parameters=dict(parameters))["did"]
        return did

    def call(self, did: str, nsid: str, params: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        """Call a method with the session of a user."""
        return self.ask("call", did=did, nsid=nsid, params=params or {}, **rest)

    def fetch(self, did: str, path: str, **rest: Any) -> tuple[int, Any]:
        """Send a request with the session of a user, be it of a method that no package knows."""
        answer = self.ask("fetch", did=did, path=path, **rest)
        return answer["status"], answer["body"]

    def requests(self) -> list[dict[str, Any]]:
        """Return what it asked of others since this was last called: method, path, status and name of the error."""
        asked: list[dict[str, Any]] = self.ask("requests")
        return asked
