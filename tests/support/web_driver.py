"""Firefox and WebKitGTK as they are installed, driven by the commands of https://www.w3.org/TR/webdriver2/.

Firefox takes these commands over a socket of its own (Marionette), so it needs no driver beside it. WebKitGTK has
WebKitWebDriver, which takes them over HTTP and starts MiniBrowser; that needs a screen, which Xvfb makes up.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from tests.support.process import free_port

_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_PATIENCE: Final = 30.0
# What a person would do for the first time, or what would ask others for news.
_FIREFOX_SETTINGS: Final[Mapping[str, object]] = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "signon.rememberSignons": False,
}


DRIVEN: Final[list[str]] = []
"""The browsers that were started in this process, with their versions."""


class DriverFailed(Exception):
    """The browser did not start, or refused a command; `kind` is the error of the protocol."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Element:
    """Something on the page in front."""

    def __init__(self, driver: WebDriver, identifier: str) -> None:
        self._driver = driver
        self._id = identifier

    def click(self) -> None:
        """Click it as a person does, and wait for what that loads."""
        self._driver.command("ElementClick", id=self._id)

    def type(self, text: str) -> None:
        self._driver.command("ElementClear", id=self._id)
        self._driver.command("ElementSendKeys", id=self._id, text=text)


class WebDriver:
    """One browser with a profile of its own; a context manager.

    Attributes:
        name: of the browser, with its version.
    """

    name = ""

    def command(self, command: str, **params: Any) -> Any:
        """Send a command by its name in the protocol, and return what it gives."""
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
            if self.name not in DRIVEN:
                DRIVEN.append(self.name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def open(self, url: str) -> None:
        self.command("Navigate", url=url)

    @property
    def url(self) -> str:
        return str(self.command("GetCurrentURL"))

    def evaluate(self, script: str, *args: Any) -> Any:
        """Run a script in the page, and return what it comes to; `arguments` has what is given along."""
        wrapped = (
            f"const done = arguments[arguments.length - 1]; (async () => ({script}))()"
            ".then(value => done({ value }), error => done({ error: String(error) }))"
        )
        answer = self.command("ExecuteAsyncScript", script=wrapped, args=list(args))
        if "error" in answer:
            raise DriverFailed("javascript error", answer["error"])
        return answer.get("value")

    def find(self, selector: str) -> Element:
        """Wait for what a selector of CSS leads to."""
        return self._element("css selector", selector)

    def labelled(self, text: str) -> Element:
        """Wait for the button or the link that says so."""
        return self._element("xpath", f"//*[self::a or self::button][normalize-space(.)={json.dumps(text)}]")

    def press(self, text: str) -> None:
        """Press the button or follow the link that says so."""
        self.labelled(text).click()

    def fill(self, **values: str) -> None:
        """Write into the fields of the page."""
        for name, value in values.items():
            self.find(f"[name='{name}']:not([hidden])").type(value)

    def has(self, selector: str) -> bool:
        """Tell whether the page has something now."""
        return bool(self.command("FindElements", using="css selector", value=selector))

    def words(self) -> str:
        """What the page says, as far as it is shown."""
        [said] = [self._text("body")]
        return " ".join(said.split())

    def see(self, *texts: str) -> None:
        """Wait for a page that says all of this."""
        self.wait_for(lambda: all(text in self.words() for text in texts), " and ".join(texts))

    def wait_for(self, holds: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
        """Wait until something holds, for *patience* seconds at most."""
        deadline = time.monotonic() + patience
        while True:
            # Between two pages there is nothing to look at.
            with suppress(DriverFailed):
                if holds():
                    return
            if time.monotonic() > deadline:
                raise DriverFailed("timeout", f"not seen: {what}; {self._where()}")
            time.sleep(0.05)

    def _where(self) -> str:
        try:
            return f"at {self.url} it says {self.words()!r}"
        except DriverFailed as error:
            return str(error)

    def picture(self) -> bytes:
        """Return a picture of the page, PNG."""
        return base64.b64decode(self.command("TakeScreenshot"))

    def _text(self, selector: str) -> str:
        element = self.command("FindElement", using="css selector", value=selector)
        return str(self.command("GetElementText", id=element[_ELEMENT]))

    def _element(self, using: str, value: str) -> Element:
        found: list[dict[str, str]] = []

        def look() -> bool:
            found[:] = self.command("FindElements", using=using, value=value)
            return bool(found)

        self.wait_for(look, value)
        return Element(self, found[0][_ELEMENT])


class Firefox(WebDriver):
    """Firefox without a screen.

    Args:
        folder: for its profile.
        scripts: whether those of pages run.
        capabilities: of the session, in the protocol's words.
    """

    def __init__(self, folder: Path, *, scripts: bool = True, capabilities: Mapping[str, object] | None = None) -> None:
        self._folder = folder
        self._settings = {**_FIREFOX_SETTINGS, "javascript.enabled": scripts}
        self._capabilities = dict(capabilities or {})
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._numbers = itertools.count(1)

    @staticmethod
    def missing() -> str | None:
        """Tell what is not installed of what it takes."""
        return None if _firefox() else "no `firefox` or `firefox-esr`"

    def start(self) -> None:
        executable = _firefox()
        assert executable is not None
        profile = self._folder / "profile"
        profile.mkdir(parents=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in self._settings.items()]
        (profile / "user.js").write_text("".join(lines))
        command = [executable, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank"]
        with (self._folder / "firefox.log").open("wb") as log:
            self._child = subprocess.Popen(command, env=_environment(self._folder), stdout=log, stderr=log)
        told = profile / "MarionetteActivePort"
        _await(lambda: told.exists() and told.read_text().strip(), self._child, "Firefox")
        self._socket = socket.create_connection(("127.0.0.1", int(told.read_text())), timeout=120)
        self._receive()
        session = self.command("NewSession", unhandledPromptBehavior="ignore", **self._capabilities)
        self.name = f"Firefox {session['capabilities']['browserVersion']}"

    def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        _end(self._child)

    def command(self, command: str, **params: Any) -> Any:
        assert self._socket is not None
        number = next(self._numbers)
        message = json.dumps([0, number, f"WebDriver:{command}", params]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, answered, error, result = self._receive()
        assert answered == number
        if error is not None:
            raise DriverFailed(error["error"], error["message"])
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def _receive(self) -> Any:
        """Read one message: its length, a colon, and itself."""
        length = b""
        while not length.endswith(b":"):
            length += self._read(1)
        return json.loads(self._read(int(length[:-1])))

    def _read(self, size: int) -> bytes:
        assert self._socket is not None
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise DriverFailed("closed", "Firefox has ended")
            data += more
        return data


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
        env = {**_environment(self._folder), "DISPLAY": self._start_screen(), "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1"}
        port = free_port()
        with (self._folder / "webkit.log").open("wb") as log:
            self._child = subprocess.Popen(
                ["WebKitWebDriver", "--host=127.0.0.1", f"--port={port}"], env=env, stdout=log, stderr=log
            )
        self._http.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        _await(lambda: _listens(port), self._child, "WebKitWebDriver")
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
        _end(self._child)
        _end(self._screen)

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


def _firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


def _mini_browser() -> Path | None:
    folders = ("lib/*/webkit2gtk-4.1", "libexec/webkit2gtk-4.1", "lib/webkit2gtk-4.1")
    return next((found for folder in folders for found in Path("/usr").glob(f"{folder}/MiniBrowser")), None)


def _environment(folder: Path) -> dict[str, str]:
    """Give what a browser needs of the environment, with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    return {**kept, **dict.fromkeys(homes, str(folder))}


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _await(ready: Callable[[], object], child: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise DriverFailed("not started", f"{name} does not start")
        time.sleep(0.05)


def _end(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
