"""A server for an application that is nothing but a page, which brings its own npm packages to the browser.

The packages are modules that a browser can load as they are; an import map tells it where they lie.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.node import Node
from tests.support.oauth_app import EVERYTHING, loopback_client_id
from tests.support.stub_server import Request, StubServer

_SCRIPT = Path(__file__).with_name("oauth_page.mjs")
_CONDITIONS = ("browser", "import", "default")
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}
# What the packages have core-js bring along: of their symbols WebKit has none yet.
_CORE_JS = b"""for (const name of ['dispose', 'asyncDispose'])
  if (!Symbol[name]) Object.defineProperty(Symbol, name, { value: Symbol(name) });
"""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>An application</title>
<script type="importmap">{imports}</script>
<script type="application/json" id="given">{given}</script>
<h1>An application</h1>
<form>
  <input name="handle" aria-label="Handle" autocomplete="username">
  <input name="prompt" aria-label="Prompt">
  <button>Sign in</button>
</form>
<p id="state">…</p>
<script type="module" src="/app.mjs"></script>
</html>
"""


def import_map(modules: Path, root: str) -> dict[str, str]:
    """Tell for each package that *root* needs where its modules are, below `/npm/`."""
    found: dict[str, str] = {}
    waiting = [root]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        package = json.loads((modules / name / "package.json").read_text())
        waiting += package.get("dependencies", {})
        exports = package.get("exports")
        if exports is None:
            # Not a module, but core-js: it brings to old browsers what new ones have.
            found[f"{name}/"] = "/core-js/"
            continue
        entries = exports if any(key.startswith(".") for key in exports) else {".": exports}
        for key, target in entries.items():
            path = _chosen(target)
            if path is not None and "*" not in key:
                found[name + key[1:]] = f"/npm/{name}/{path.removeprefix('./')}"
    return found


def _chosen(target: Any) -> str | None:
    if isinstance(target, str):
        return target
    for condition in _CONDITIONS:
        if target and condition in target:
            return _chosen(target[condition])
    return None


class OAuthPage(StubServer):
    """The application, for people with accounts on one server; a context manager."""

    protocol = "HTTP/1.1"

    def __init__(self, node: Node, pds: str, plc: str, scope: str = EVERYTHING) -> None:
        super().__init__()
        self.url += "/"
        self.home = f"http://localhost:{self.port}/home"
        """Another origin, to which the application sends people on who come back to `/back`."""
        self.client_id = loopback_client_id(scope, self.url)
        given = {"clientId": self.client_id, "pds": pds, "plc": plc}
        imports = {"imports": import_map(node.modules, "@atproto/oauth-client-browser")}
        self._page = _PAGE.format(imports=json.dumps(imports), given=json.dumps(given)).encode()
        self._modules = node.modules

    def answer(self, request: Request) -> None:
        path = urlsplit(request.path).path
        if path == "/":
            _send(request, "text/html", self._page)
        elif path == "/app.mjs":
            _send(request, "text/javascript", _SCRIPT.read_bytes())
        elif path == "/back":
            request.send(302, b"", {"Location": self.home})
        elif path == "/home":
            _send(request, "text/plain", b"at home")
        elif path.startswith("/core-js/"):
            _send(request, "text/javascript", _CORE_JS)
        elif path.startswith("/npm/") and (file := self._modules / path[5:]).is_file():
            _send(request, _TYPES.get(file.suffix, "text/plain"), file.read_bytes())
        else:
            request.send_error(404)


def _send(request: Request, kind: str, body: bytes) -> None:
    kept = "max-age=600" if kind == "text/javascript" else "no-store"
    request.send(200, body, {"Content-Type": kind, "Cache-Control": kept})
