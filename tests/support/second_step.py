"""Somebody at the pages for people in a real browser, with an authenticator app and passkeys."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from pyotp import TOTP
from tests.support.account import Account
from tests.support.chromium import Chromium
from tests.support.process import ServerProcess


@dataclass
class Person:
    """A person at a browser; `app` has the secret that a page has shown, `codes` the recovery codes that are left."""

    browser: Chromium
    server: ServerProcess
    account: Account
    app: TOTP | None = None
    codes: list[str] = field(default_factory=list)
    _used_step: int = 0

    def page(self, *segments: str) -> str:
        """Give the address of one of the account's pages."""
        return "/".join([f"http://localhost:{self.server.port}/account", self.account.did, *segments])

    def open(self, *segments: str) -> None:
        self.browser.open(self.page(*segments))

    def fill(self, **values: str) -> None:
        """Write into the fields of the page."""
        for name, value in values.items():
            self.browser.evaluate(f"document.querySelector('main [name={name}]').value = {json.dumps(value)}")

    def press(self, text: str) -> None:
        """Press the button or follow the link that says so."""
        found = f"[...document.querySelectorAll('main button, main a')].find(e => e.textContent.trim() === {text!r})"
        self.browser.evaluate(f"{found}.click()")

    def see(self, text: str) -> None:
        """Wait for a page that says something."""
        self.browser.wait_for(f"document.body.innerText.includes({json.dumps(text)})")

    def sign_out(self) -> None:
        """Forget the browser's cookies."""
        self.browser.call("Network.clearBrowserCookies")

    def give_password(self, password: str | None = None) -> None:
        """Go to the account, where a stranger is asked for name and password."""
        self.open()
        self.browser.wait_for("document.querySelector('#password')")
        self.fill(identifier=self.account.handle, password=password or self.account.password)
        self.press("Sign in")

    def code(self) -> str:
        """Read a code that was not used yet from the app; its next one is accepted too, for whoever cannot wait."""
        assert self.app is not None
        step = max(int(time.time()) // 30, self._used_step + 1)
        while step > int(time.time()) // 30 + 1:
            time.sleep(0.2)
        self._used_step = step
        return self.app.at(step * 30)

    def add_authenticator(self, **more: Any) -> str:
        """Give the browser a device that makes passkeys, and whose owner always touches it."""
        self.browser.call("WebAuthn.enable", enableUI=False)
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **more,
        }
        added = self.browser.call("WebAuthn.addVirtualAuthenticator", options=options)
        identifier: str = added["authenticatorId"]
        return identifier
