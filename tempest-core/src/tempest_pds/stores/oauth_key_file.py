"""`oauth_jwks.json`: the keys that access tokens of OAuth are signed with, as JSON Web Keys, the newest last.

    {"keys": [{"kty": "EC", "crv": "P-256", "x": …, "y": …, "kid": …, "created": 1800000000, "retired": 1800009000},
              {"kty": "EC", "crv": "P-256", "x": …, "y": …, "kid": …, "created": 1800009000, "d": …}]}

The last key signs. A key that was replaced keeps only its public half, which verifies what it had signed. Times are
seconds since 1970. A `kid` is the key's thumbprint, so that no byte of a public key can change unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from tempest_pds.protocol.crypto.keys import PrivateKey, PublicKey, generate_p256
from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.oauth.errors import InvalidJwk
from tempest_pds.protocol.oauth.jwk import thumbprint_of
from tempest_pds.protocol.oauth.p256_jwk import (
    private_member,
    public_members,
    read_private_member,
    read_public_members,
)
from tempest_pds.stores.files import write_atomically

_MAX_TIME: Final = 2**53


class OAuthKeysBroken(TempestError):
    """The file of the keys does not hold what it should; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class OAuthKey:
    """One key; `private` until it is retired. Times are seconds since 1970."""

    public: PublicKey
    created: int
    private: PrivateKey | None = None
    retired: int | None = None

    @classmethod
    def make(cls, now: int) -> Self:
        """Make a new key."""
        private = generate_p256()
        return cls(private.public, now, private)

    @property
    def kid(self) -> str:
        """The name of the key: its thumbprint."""
        return thumbprint_of(public_members(self.public))

    def retire(self, now: int) -> Self:
        """Give the key as it is kept when another signs."""
        return replace(self, private=None, retired=now)


class OAuthKeyFile:
    """The file of one data directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[OAuthKey]:
        """Give the keys, the last of which signs; none where there is no file. Raises OAuthKeysBroken."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OAuthKeysBroken(
                f"cannot read {self._path} ({error.strerror}): make it a file that belongs to the user that runs the "
                "server, of mode 600"
            ) from error
        try:
            keys = [_read(entry) for entry in json.loads(text)["keys"]]
            if not keys or keys[-1].private is None:
                raise InvalidJwk("there is no key to sign with")
        except (InvalidJwk, ValueError, KeyError, TypeError, RecursionError) as error:
            why = str(error) if isinstance(error, InvalidJwk) else "it is not what Tempest has written"
            raise OAuthKeysBroken(
                f"{self._path} is damaged ({why}): put it back from a backup, or remove it, for new keys; apps then "
                "refresh their access at once, and nobody is signed out"
            ) from error
        return keys

    def write(self, keys: Sequence[OAuthKey]) -> None:
        """Put the keys there, on the disk when this returns."""
        text = json.dumps({"keys": [_write(key) for key in keys]}, indent=2) + "\n"
        write_atomically(self._path, text.encode(), mode=0o600)


def _write(key: OAuthKey) -> dict[str, object]:
    entry: dict[str, object] = {**public_members(key.public), "kid": key.kid, "created": key.created}
    if key.private is not None:
        entry["d"] = private_member(key.private)
    if key.retired is not None:
        entry["retired"] = key.retired
    return entry


def _read(entry: dict[str, object]) -> OAuthKey:
    if not isinstance(entry, dict):
        raise InvalidJwk("a key is not a JSON object")
    public = read_public_members(entry)
    private = read_private_member(entry, public) if "d" in entry else None
    key = OAuthKey(public, _time(entry, "created"), private, _time(entry, "retired") if private is None else None)
    if entry.get("kid") != key.kid:
        raise InvalidJwk("the kid of a key is not its thumbprint")
    return key


def _time(entry: dict[str, object], name: str) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_TIME:
        raise InvalidJwk(f"a key does not say when it was {name}")
    return value
