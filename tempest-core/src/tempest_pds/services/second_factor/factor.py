"""What proves, beside the password, that somebody is the owner of an account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FactorKind(StrEnum):
    """What proves, beside the password, that somebody is the owner."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAnswer:
    """A second factor as it was given: a code (TOTP or recovery), or what a passkey answered, in JSON."""

    code: str | None = None
    passkey: str | None = None
