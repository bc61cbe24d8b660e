"""Firefox, which takes the commands of WebDriver over a socket of its own (Marionette), with no driver beside it."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.web_driver import DriverFailed, WebDriver, await_start, browser_environment, end

# What a person would do for the first time, or what would ask others for news.
_FIREFOX_SETTINGS: Final[Mapping[str, object]] = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "signon.rememberSignons": False,
}


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
            self._child = subprocess.Popen(command, env=browser_environment(self._folder), stdout=log, stderr=log)
        told = profile / "MarionetteActivePort"
        await_start(lambda: told.exists() and told.read_text().strip(), self._child, "Firefox")
        self._socket = socket.create_connection(("127.0.0.1", int(told.read_text())), timeout=120)
        self._receive()
        session = self.command("NewSession", unhandledPromptBehavior="ignore", **self._capabilities)
        self.name = f"Firefox {session['capabilities']['browserVersion']}"

    def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        end(self._child)

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


def _firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")
