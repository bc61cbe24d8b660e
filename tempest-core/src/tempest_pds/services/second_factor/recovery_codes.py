"""Recovery codes: for who has lost the phone or the key. Each opens the account once.

They hold 75 random bits, so that nobody guesses one: neither at the door, where it makes no sense to count tries, nor
from its hash. They are written without letters that look like others, and read however they are typed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from tempest_pds.protocol.syntax.did import Did

COUNT: Final = 10
FEW: Final = 3
"""With so many left, or fewer, an account's owner is told to make new ones."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH: Final = 15
_GROUP: Final = 5
_LOOKALIKES: Final = str.maketrans("oil", "011", " -")


def new_codes() -> list[str]:
    """Make a set of codes."""
    return [_new_code() for _ in range(COUNT)]


def _new_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def hash_code(did: Did, code: str) -> bytes:
    """Hash a code, salted with its account, however it was typed."""
    plain = code.strip().lower().translate(_LOOKALIKES)
    return hmac.new(did.encode(), plain.encode("utf-8", "replace"), hashlib.sha256).digest()
