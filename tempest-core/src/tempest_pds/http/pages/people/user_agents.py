"""What a browser or another program is, by what it says of itself, in words that its owner knows it by."""

from __future__ import annotations

import re
from typing import Final

from tempest_pds.http.pages.people.languages import Texts

# The first that fits counts: most browsers name others too, for the sake of old sites.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
# What is no browser: the first product that it names, https://www.rfc-editor.org/rfc/rfc9110#name-user-agent.
_PRODUCT: Final = re.compile(r"(?!Mozilla/)([A-Za-z0-9._-]{1,40}(?:/[A-Za-z0-9._-]{1,20})?)(?![^ ])")


def describe_client(user_agent: str | None, texts: Texts) -> str:
    """Say what a User-Agent header stands for: `Firefox, Windows`, or `python-httpx/0.28.1`."""
    given = user_agent or ""
    browser, system = (next((name for sign, name in known if sign in given), None) for known in (_BROWSERS, _SYSTEMS))
    product = _PRODUCT.match(given)
    program = browser or (None if product is None else product[1])
    return ", ".join(name for name in (program, system) if name is not None) or texts("Unknown program")
