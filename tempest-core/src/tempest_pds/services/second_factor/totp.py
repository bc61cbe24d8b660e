"""Codes of authenticator apps: RFC 6238 with what every app supports, SHA-1, six digits and steps of 30 seconds."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final

STEP_SECONDS: Final = 30
DIGITS: Final = 6
# As long as the hash, as RFC 4226 (section 4) recommends.
_SECRET_BYTES: Final = 20
# A clock may be half a minute off, and a code may be typed as its time ends.
_DRIFT: Final = 1


def new_secret() -> bytes:
    """Make a secret."""
    return secrets.token_bytes(_SECRET_BYTES)


def secret_for(seed: bytes, browser: bytes) -> bytes:
    """Derive the secret that one browser is shown, from what is stored until an app confirms it."""
    return hmac.digest(seed, browser, "sha256")[:_SECRET_BYTES]


def secret_text(secret: bytes) -> str:
    """Write a secret as apps take it, in base32."""
    return base64.b32encode(secret).decode("ascii")


def app_uri(secret: bytes, *, account: str, server: str) -> str:
    """Give the `otpauth:` URI that apps read from a QR code."""
    from pyotp import TOTP

    return TOTP(secret_text(secret)).provisioning_uri(name=account, issuer_name=server)


def looks_like_code(text: str) -> bool:
    """Tell a code of an app from any other, by its form."""
    return len(text) == DIGITS and text.isascii() and text.isdecimal()


def matching_step(secret: bytes, code: str, now: float, last_step: int | None) -> int | None:
    """Tell for which time step a code is right; None when it is not, or no step after `last_step`.

    Args:
        now: in seconds since the epoch.
    """
    from pyotp import TOTP

    totp, step = TOTP(secret_text(secret)), int(now) // STEP_SECONDS
    found = None
    # Each is looked at, so that the time it takes tells nothing of which it was.
    for candidate in range(max(step - _DRIFT, 0), step + _DRIFT + 1):
        is_right = hmac.compare_digest(totp.generate_otp(candidate).encode(), code.encode())
        if is_right and (last_step is None or candidate > last_step):
            found = candidate
    return found
