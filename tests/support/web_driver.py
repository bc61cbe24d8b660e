"""A browser as it is installed, driven by the commands of WebDriver: what a test says to any.

https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_PATIENCE: Final = 30.0

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


def browser_environment(folder: Path) -> dict[str, str]:
    """Give what a browser needs of the environment, with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    return {**kept, **dict.fromkeys(homes, str(folder))}


def await_start(ready: Callable[[], object], child: subprocess.Popen[bytes], name: str) -> None:
    """Wait until a process is ready; raise DriverFailed when it ends before, or takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise DriverFailed("not started", f"{name} does not start")
        time.sleep(0.05)


def end(child: subprocess.Popen[bytes] | None) -> None:
    """End a process, if there is one."""
    if child is None:
        return
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
