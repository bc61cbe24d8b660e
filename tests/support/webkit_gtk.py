"""WebKitGTK, whose WebKitWebDriver takes commands over HTTP and starts MiniBrowser, on a screen that Xvfb makes up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
from tests.support.process import free_port
from tests.support.web_driver import DriverFailed, WebDriver, await_start, browser_environment, end

_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "Navigate": ("POST", "url"),
    "GetCurrentURL": ("GET", "url"),
    "Back": ("POST", "back"),
    "Refresh": ("POST", "refresh"),
    "FindElement": ("POST", "element"),
    "FindElements": ("POST", "elements"),
    "GetElementText": ("GET", "element/{id}/text"),
    "ElementClick": ("POST", "element/{id}/click"),
    "ElementClear": ("POST", "element/{id}/clear"),
    "ElementSendKeys": ("POST", "element/{id}/value"),
    "ExecuteAsyncScript": ("POST", "execute/async"),
    "PerformActions": ("POST", "actions"),
    "TakeScreenshot": ("GET", "screenshot"),
    "GetCookies": ("GET", "cookie"),
    "DeleteAllCookies": ("DELETE", "cookie"),
    "GetWindowHandles": ("GET", "window/handles"),
    "NewWindow": ("POST", "window/new"),
    "SwitchToWindow": ("POST", "window"),
    "CloseWindow": ("DELETE", "window"),
    "SetWindowRect": ("POST", "window/rect"),
    "GetAlertText": ("GET", "alert/text"),
    "AcceptAlert": ("POST", "alert/accept"),
    "DismissAlert": ("POST", "alert/dismiss"),
}


class WebKitGTK(WebDriver):
    """MiniBrowser, which is WebKitGTK and nothing more: the engine of Safari with another network and another screen.

    Args:
        folder: for all that it keeps.
        scripts: whether those of pages run.
        capabilities: of the session, in the protocol's words.
    """

    def __init__(self, folder: Path, *, scripts: bool = True, capabilities: Mapping[str, object] | None = None) -> None:
        self._folder = folder
        # Those of the driver run all the same, which they would not with all scripts off.
        self._arguments = [f"--enable-javascript-markup={str(scripts).lower()}"]
        self._capabilities = dict(capabilities or {})
        self._screen: subprocess.Popen[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(timeout=30)
        self._session = ""

    @staticmethod
    def missing() -> str | None:
        """Tell what is not installed of what it takes."""
        needed = {
            "WebKitWebDriver": shutil.which("WebKitWebDriver"),
            "MiniBrowser of WebKitGTK": _mini_browser(),
            "Xvfb": shutil.which("Xvfb"),
        }
        absent = [f"no {name}" for name, found in needed.items() if not found]
        return ", ".join(absent) or None

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        env = {
            **browser_environment(self._folder),
            "DISPLAY": self._start_screen(),
            "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1",
        }
        port = free_port()
        with (self._folder / "webkit.log").open("wb") as log:
            self._child = subprocess.Popen(
                ["WebKitWebDriver", "--host=127.0.0.1", f"--port={port}"], env=env, stdout=log, stderr=log
            )
        self._http.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        await_start(lambda: _listens(port), self._child, "WebKitWebDriver")
        # The protocol's own word for that does not reach the network process.
        arguments = ["--ignore-tls-errors"] if self._capabilities.get("acceptInsecureCerts") else []
        options = {"binary": str(_mini_browser()), "args": ["--automation", *arguments, *self._arguments]}
        wanted = {"unhandledPromptBehavior": "ignore", "webkitgtk:browserOptions": options, **self._capabilities}
        session = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{session['sessionId']}"
        self.name = f"WebKitGTK {session['capabilities']['browserVersion']}"

    def stop(self) -> None:
        if self._session:
            with suppress(DriverFailed, httpx.HTTPError):
                self._send("DELETE", self._session)
        self._http.close()
        end(self._child)
        end(self._screen)

    def command(self, command: str, **params: Any) -> Any:
        method, path = _PATHS[command]
        path = path.format(id=params.pop("id", None))
        return self._send(method, f"{self._session}/{path}", params if method == "POST" else None)

    def _send(self, method: str, path: str, body: object = None) -> Any:
        answer = self._http.request(method, path, json=body) if body is not None else self._http.request(method, path)
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise DriverFailed(value["error"], value["message"])
        return value

    def _start_screen(self) -> str:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x1100x24", "-nolisten", "tcp"]
        with (self._folder / "screen.log").open("wb") as log:
            self._screen = subprocess.Popen(command, pass_fds=[writing], stdout=log, stderr=log)
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        if not number:
            raise DriverFailed("no screen", (self._folder / "screen.log").read_text())
        return f":{number}"


def _mini_browser() -> Path | None:
    folders = ("lib/*/webkit2gtk-4.1", "libexec/webkit2gtk-4.1", "lib/webkit2gtk-4.1")
    return next((found for folder in folders for found in Path("/usr").glob(f"{folder}/MiniBrowser")), None)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False
