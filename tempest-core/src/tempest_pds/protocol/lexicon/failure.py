"""How a check fails: inside, a `Failure` that gathers its path while it rises through objects and arrays.

Nothing is spent on paths as long as values are valid. The texts follow the reference implementation's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from tempest_pds.protocol.data_model.cid import CID

_PLAIN_KEY: Final = re.compile(r"[a-zA-Z_$][a-zA-Z0-9_]*")
_PREVIEW_LENGTH: Final = 256


class Failure(Exception):
    """A value that fails a check; `keys` runs from the innermost container outwards."""

    def __init__(self, message: str, key: str | None = None) -> None:
        """Say what is wrong with the value itself, or with what it holds under `key`."""
        super().__init__(message)
        self.message = message
        self.keys: list[str | int] = [] if key is None else [key]

    def path(self, root: str = "$") -> str:
        """Write the path from `root` to the value: `$.embed.images[0]`."""
        return root + "".join(_segment(key) for key in reversed(self.keys))


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{_quote(key)}]"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def describe(value: object) -> str:
    """Show a value in a message, shortened."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quote(value if len(value) < _PREVIEW_LENGTH else value[: _PREVIEW_LENGTH - 1] + "…")
        case list():
            return f"[{', '.join(map(describe, value[:2]))}{', ...' if len(value) > 2 else ''}]"
        case dict():
            keys = [f"{_quote(str(key))}: ..." for key in list(value)[:2]]
            return f"{{{', '.join(keys)}{', ...' if len(value) > 2 else ''}}}"
        case CID():
            return "cid"
        case bytes():
            return "object"
        case _:
            return str(value)


def one_of(texts: Sequence[str]) -> str:
    """Join alternatives for a person: `one of a, b or c`."""
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts[:-1])} or {texts[-1]}"


def wrong_type(value: object, expected: str) -> Failure:
    """A value of another type."""
    return Failure(f"Expected {expected} value type (got {describe(value)})")


def wrong_value(value: object, allowed: Sequence[object], key: str | None = None) -> Failure:
    """A value, or what it holds under `key`, that is none of the allowed ones. An absent one is described as such."""
    return Failure(f"Expected {one_of([describe(item) for item in allowed])} (got {describe(value)})", key)


def wrong_format(value: str, what: str) -> Failure:
    """A string that is not in its format."""
    return Failure(f"Invalid {what} (got {describe(value)})")


def too_big(kind: str, maximum: int, actual: int) -> Failure:
    """More than the maximum, of whatever `kind` counts."""
    return Failure(f"{kind} too big (maximum {maximum}, got {actual})")


def too_small(kind: str, minimum: int, actual: int) -> Failure:
    """Less than the minimum, of whatever `kind` counts."""
    return Failure(f"{kind} too small (minimum {minimum}, got {actual})")


def missing_key(key: str) -> Failure:
    """An object without a property that it must have."""
    return Failure(f'Missing required key "{key}"')
