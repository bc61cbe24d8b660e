"""Paths of the pages for people, as they may stand in a link's `next`: never an address of another site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

HOME: Final = "/account"
SIGN_IN: Final = "/account/sign-in"
RESET: Final = "/account/reset-password"

_MAX: Final = 1_000
# Neither an empty segment nor a backslash, which browsers take for a slash, nor a dot in front, however it is written:
# they take `%2e%2e` for the way up. And of a query nothing that could end it.
_OWN: Final = re.compile(
    r"(?:/account(?:/(?!%2[Ee])[A-Za-z0-9:_~%-][A-Za-z0-9:._~%-]*)*|/oauth/authorize(?:/[a-z-]+)*)(?:\?[A-Za-z0-9:._~%+&=*-]*)?"
)


def own_path(target: str, otherwise: str = HOME) -> str:
    """Give a path to go to: the one asked for if it is a page of ours for people."""
    return target if len(target) <= _MAX and _OWN.fullmatch(target) else otherwise


def account_path(did: str, *segments: str) -> str:
    """Write the path of a page of an account."""
    return "/".join([HOME, quote(did, safe=":"), *segments])


def with_query(path: str, values: Mapping[str, str]) -> str:
    """Add to the query of a path."""
    if not values:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(values)}"
