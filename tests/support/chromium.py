"""Chromium without a screen, driven over its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """Return the path of an installed Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserFailed(Exception):
    """The browser did not start, or a script in a page failed."""


class Chromium:
    """One tab of a browser with a profile of its own."""

    def __init__(self, executable: str, profile: Path) -> None:
        self._command = [executable, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._port_file = profile / "DevToolsActivePort"
        self._numbers = itertools.count(1)
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._stack = ExitStack()
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        try:
            while not self._port_file.exists() or not self._port_file.read_text().strip():
                if self._child.poll() is not None or time.monotonic() > deadline:
                    raise BrowserFailed("Chromium does not start")
                time.sleep(0.05)
            port = self._port_file.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
                [tab] = [tab for tab in json.loads(answer.read()) if tab["type"] == "page"]
            self._socket = self._stack.enter_context(connect(tab["webSocketDebuggerUrl"], max_size=None))
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stack.close()
        assert self._child is not None
        self._child.terminate()
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        assert self._socket is not None
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Log.entryAdded":
                entry = message["params"]["entry"]
                self.complaints.append(f"{entry['level']}: {entry['text']}")
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserFailed(f"{method}: {message['error']}")
                return message["result"]

    def evaluate(self, script: str) -> Any:
        """Run a script in the page, as its developer's console would, and return what it comes to."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserFailed(result["exceptionDetails"].get("exception", {}).get("description", script))
        return result["result"].get("value")

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is there."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href.startsWith({json.dumps(url.partition('#')[0])}) || document.forms.length")

    def wait_for(self, condition: str) -> None:
        """Wait until a page is loaded whole and a condition in it holds."""
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.evaluate(f"document.readyState === 'complete' && Boolean({condition})"):
                    return
            except BrowserFailed:
                # Between two pages there is nothing to run a script in.
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise BrowserFailed(f"{condition} does not come to hold at {self.evaluate('location.href')}")
            time.sleep(0.02)

    def draw(self, html: str) -> None:
        """Show a page that no server sends."""
        self.open("about:blank")
        frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.call("Page.setDocumentContent", frameId=frame, html=html)

    def press(self, key: str) -> None:
        """Press a key: `Tab`, `Enter` or the space bar, which is ` `."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}[key]
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def show_as(self, width: int, scheme: str, **wishes: str) -> None:
        """Give the page a width, and its reader a wish for `light` or `dark`, and others by the names that CSS has."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        wanted = {"prefers_color_scheme": scheme, **wishes}
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in wanted.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self) -> bytes:
        """Return a picture of the whole page, PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**size, "scale": 1})
        return base64.b64decode(taken["data"])
