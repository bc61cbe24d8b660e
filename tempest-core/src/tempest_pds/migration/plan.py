"""What the owner asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey

PLC_DIRECTORY: Final = "https://plc.directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A move, as it was asked for; None stands for "find out, or as it is".

    Attributes:
        account: the handle or DID.
        target: the origin of the server to move to.
        source: the origin of the server to move from.
        factor: a code of the source's second factor.
        plc_url: the PLC directory.
        plc_token: the code that the source mailed, to sign the change of the DID.
        rotation_key: the owner's own, which signs the change in place of the source.
        self_custody: leave the target's rotation key out of the DID.
        recovery_keys: did:keys that are to stand above all others.
        dropped_keys: rotation keys that are to leave the DID, beside those of the source.
        car: a repository to take in place of the source's, which is gone.
        blobs: a folder of files named by CID, in place of the source's blobs.
        dry_run: stop after the comparison, and change nothing.
        strict: a blob that cannot be moved ends the move.
        deep: read every blob back from the target, and hash it.
        retry_seconds: how long a server may be away.
    """

    account: str
    target: str
    source: str | None = None
    handle: str | None = None
    email: str | None = None
    invite_code: str | None = None
    factor: str | None = None
    plc_url: str = PLC_DIRECTORY
    plc_token: str | None = None
    rotation_key: PrivateKey | None = None
    self_custody: bool = False
    recovery_keys: tuple[str, ...] = ()
    dropped_keys: tuple[str, ...] = ()
    car: Path | None = None
    blobs: Path | None = None
    state: Path | None = None
    dry_run: bool = False
    strict: bool = False
    deep: bool = False
    keep_source: bool = False
    parallel: int = 4
    retry_seconds: float = 120.0
