"""A person in a real Chromium, driven by Playwright, who walks through the authorization pages of a server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright
from tests.support.account import Account
from tests.support.process import ServerProcess
from tests.support.reference import ReferencePds

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@contextmanager
def open_chromium(executable: str) -> Iterator[Browser]:
    """Start the system's Chromium; nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-quic"])
        try:
            yield browser
        finally:
            browser.close()


class Walk:
    """One tab of one person on the way through the pages of a server, with a picture of each of them.

    The pictures go into the folder that TEMPEST_TEST_SCREENSHOTS names, or else into *folder*.
    """

    def __init__(self, page: Page, server: ServerProcess, account: Account, folder: Path, name: str) -> None:
        self.page = page
        self._server = server
        self._account = account
        self._folder = Path(os.environ.get("TEMPEST_TEST_SCREENSHOTS") or folder)
        self._name = f"{'reference' if isinstance(server, ReferencePds) else 'tempest'}-{name}"
        self._number = 0

    def picture(self, what: str) -> None:
        """Keep a picture of the page as it is."""
        self._number += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{self._number}-{what}.png"
        self.page.screenshot(path=path, full_page=True)

    def arrive(self) -> None:
        """Wait for the pages of the server."""
        self.page.wait_for_url(f"{self._server.url}/**")

    def sign_in(self) -> None:
        """Give the password, unless the server knows the person from before."""
        self.arrive()
        password = self.page.locator("input[type=password]")
        password.or_(self._accepting).first.wait_for()
        if not password.is_visible():
            return
        self.picture("sign-in")
        identifier = self.page.locator("input[autocomplete~=username]:visible")
        if identifier.count() and identifier.is_editable() and not identifier.input_value():
            identifier.fill(self._account.handle)
        password.fill(self._account.password)
        password.press("Enter")

    def accept(self) -> None:
        """Agree on the page that asks."""
        self._accepting.wait_for()
        self.picture("consent")
        self._accepting.click()

    def reject(self) -> None:
        """Refuse on the page that asks."""
        self._accepting.wait_for()
        self.page.get_by_role("button", name=re.compile(r"^(Deny access|Do not allow)$")).click()

    @property
    def _accepting(self) -> Locator:
        return self.page.get_by_role("button", name=re.compile(r"^(Authorize|Allow)$"))
