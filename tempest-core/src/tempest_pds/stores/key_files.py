"""Private keys and secrets, each in a small file of mode 600, written so that a crash leaves a whole one or none.

    plc_rotation.key                the server's own PLC rotation key
    secret_<name>                   32 random bytes for a purpose, in hex
    signing/<2 hex>/<did>.key       the signing key of an account
    reserved/<did:key>.key          a key given out before its account exists (com.atproto.server.reserveSigningKey)
    reserved/by-did/<did>           which of them was reserved for a DID

A reserved key stays for a week after it was last asked for, and there are at most ten thousand: anybody may ask.

A key file is one line: the curve and the key in hex. An account's key is as durable as its repo: losing it means that
nobody can ever sign for the account again but by its rotation key.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256, private_key
from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.file_names import did_to_name, sharded
from tempest_pds.stores.files import make_directory, sync_directory, write_atomically

_KEY_LINE: Final = re.compile(r"(k256|p256) ([0-9a-f]{64})\n?")
_SECRET_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DID_KEY: Final = re.compile(r"did:key:z[1-9A-HJ-NP-Za-km-z]{40,60}")
_CACHED: Final = 512
MAX_RESERVED: Final = 10_000
RESERVED_SECONDS: Final = 7 * 86_400.0


class SigningKeyNotFound(TempestError):
    """This server holds no signing key for the account."""


class KeyFileBroken(TempestError):
    """A key file that does not hold a key."""


class SigningKeyExists(TempestError):
    """This server holds a signing key for the account already; it is never overwritten without saying so."""


class TooManyReserved(TempestError):
    """So many keys are reserved for accounts to come that no other is made."""


class KeyFiles:
    """The keys under `directory`; those of accounts used lately are kept in memory. May be called from any thread."""

    def __init__(self, directory: Path, rotation_key: PrivateKey | None = None) -> None:
        """Keep keys in a directory; `rotation_key` is the operator's own, used instead of one made here."""
        self.directory = directory
        self._rotation_key = rotation_key
        self._signing: OrderedDict[str, PrivateKey] = OrderedDict()
        self._lock = threading.Lock()
        # Of its own: nobody who signs waits for the disk under it.
        self._reserving = threading.Lock()
        self._reserved: int | None = None

    # Accounts

    def signing_key(self, did: str) -> PrivateKey:
        """Return the signing key of an account; raise SigningKeyNotFound or KeyFileBroken."""
        with self._lock:
            key = self._signing.get(did)
            if key is not None:
                self._signing.move_to_end(did)
                return key
        key = _read(self._signing_path(did))
        if key is None:
            raise SigningKeyNotFound(f"no signing key of {did} here")
        self._remember(did, key)
        return key

    def put_signing_key(self, did: str, key: PrivateKey, *, replace: bool = False) -> None:
        """Keep the signing key of an account, on the disk when this returns.

        Raises SigningKeyExists when there is a different one, unless `replace` is set.
        """
        path = self._signing_path(did)
        existing = _read(path)
        if existing is not None and existing.raw != key.raw and not replace:
            raise SigningKeyExists(f"there is a signing key of {did} here")
        make_directory(path.parent)
        _write(path, key)
        self._remember(did, key)

    def delete_signing_key(self, did: str) -> None:
        """Forget the signing key of a deleted account."""
        with self._lock:
            self._signing.pop(did, None)
        _remove(self._signing_path(did))

    def _signing_path(self, did: str) -> Path:
        return sharded(self.directory / "signing", did, ".key")

    def _remember(self, did: str, key: PrivateKey) -> None:
        with self._lock:
            self._signing[did] = key
            self._signing.move_to_end(did)
            if len(self._signing) > _CACHED:
                self._signing.popitem(last=False)

    # Reserved keys

    def reserve_key(self, did: str | None = None) -> PrivateKey:
        """Make a key for an account to come; the same one again when the same DID asks again.

        Raises TooManyReserved.
        """
        reserved = self.directory / "reserved"
        pointer = None if did is None else reserved / "by-did" / did_to_name(did)
        with self._reserving:
            if pointer is not None and pointer.exists():
                key = self.reserved_key(pointer.read_text("ascii").strip())
                if key is not None:
                    os.utime(self._reserved_path(key.public.did_key))
                    return key
            if self._reserved is None:
                self._reserved = sum(1 for _ in reserved.glob("*.key"))
            if self._reserved >= MAX_RESERVED:
                raise TooManyReserved(f"{MAX_RESERVED} keys are reserved already")
            key = generate_k256()
            make_directory(reserved / "by-did")
            _write(self._reserved_path(key.public.did_key), key)
            self._reserved += 1
            if pointer is not None:
                write_atomically(pointer, key.public.did_key.encode("ascii"), mode=0o600)
            return key

    def reserved_key(self, did_key: str) -> PrivateKey | None:
        """Return a reserved key by its public half (`did:key:…`)."""
        return None if _DID_KEY.fullmatch(did_key) is None else _read(self._reserved_path(did_key))

    def reserved_key_for(self, did: str) -> PrivateKey | None:
        """Return the key that was reserved for a DID."""
        pointer = self.directory / "reserved" / "by-did" / did_to_name(did)
        return self.reserved_key(pointer.read_text("ascii").strip()) if pointer.exists() else None

    def release_reserved_key(self, did_key: str, did: str | None = None) -> None:
        """Forget a reservation, once the key is the signing key of an account."""
        with self._reserving:
            self._reserved = None
            if _DID_KEY.fullmatch(did_key) is not None:
                _remove(self._reserved_path(did_key))
            if did is not None:
                _remove(self.directory / "reserved" / "by-did" / did_to_name(did))

    def forget_unclaimed_keys(self, now: float) -> int:
        """Forget the reserved keys that nobody has asked for since a week before `now`, in seconds; return how many."""
        reserved, forgotten = self.directory / "reserved", 0
        with self._reserving:
            self._reserved = None
            for path in reserved.glob("*.key"):
                if path.stat().st_mtime < now - RESERVED_SECONDS:
                    path.unlink()
                    forgotten += 1
            for pointer in (reserved / "by-did").glob("*"):
                if not self._reserved_path(pointer.read_text("ascii").strip()).exists():
                    pointer.unlink()
        return forgotten

    def _reserved_path(self, did_key: str) -> Path:
        return self.directory / "reserved" / (did_key.rpartition(":")[2] + ".key")

    # The server's own

    def rotation_key(self) -> PrivateKey:
        """Return the server's PLC rotation key: the operator's, or one made at the first call."""
        if self._rotation_key is not None:
            return self._rotation_key
        path = self.directory / "plc_rotation.key"
        with self._lock:
            key = _read(path)
            if key is None:
                key = generate_k256()
                _write(path, key)
            return key

    def load_or_create(self, name: str) -> bytes:
        """Return the 32-byte secret called `name`, made at the first call."""
        if _SECRET_NAME.fullmatch(name) is None:
            raise ValueError(f"not the name of a secret: {name!r}")
        path = self.directory / f"secret_{name}"
        with self._lock:
            if not path.exists():
                write_atomically(path, secrets.token_hex(32).encode("ascii"), mode=0o600)
            try:
                secret = bytes.fromhex(path.read_text("ascii"))
            except ValueError as error:
                raise KeyFileBroken(f"{path} does not hold a secret") from error
            if len(secret) != 32:
                raise KeyFileBroken(f"{path} does not hold a secret")
            return secret


def _read(path: Path) -> PrivateKey | None:
    try:
        line = path.read_text("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise KeyFileBroken(f"{path} does not hold a key") from error
    match = _KEY_LINE.fullmatch(line)
    if match is None:
        raise KeyFileBroken(f"{path} does not hold a key")
    try:
        return private_key(bytes.fromhex(match[2]), "k256" if match[1] == "k256" else "p256")
    except (ValueError, TempestError) as error:
        raise KeyFileBroken(f"{path} does not hold a key") from error


def _write(path: Path, key: PrivateKey) -> None:
    write_atomically(path, f"{key.curve} {key.raw.hex()}\n".encode("ascii"), mode=0o600)


def _remove(path: Path) -> None:
    if path.exists():
        path.unlink()
        sync_directory(path.parent)
