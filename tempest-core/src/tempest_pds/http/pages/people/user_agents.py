"""What a browser is, by what it says of itself, in words that its owner knows it by."""

from __future__ import annotations

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


def describe_browser(user_agent: str | None, texts: Texts) -> str:
    """Say what a User-Agent header stands for: `Firefox, Windows`."""
    given = user_agent or ""
    names = [next((name for sign, name in known if sign in given), None) for known in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in names if name is not None) or texts("Unknown browser")
