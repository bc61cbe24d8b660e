"""The name under which a DID's files lie: readable, and never shared by two DIDs."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax

_MAX_BYTES: Final = 230  # of the 255 a file name may have, with suffixes to come
_FROM_DID: Final = str.maketrans({":": "_", "_": "="})  # "=" is not allowed in a DID, so this can be undone
_TO_DID: Final = str.maketrans({"_": ":", "=": "_"})


def did_to_name(did: str) -> str:
    """Turn a DID into a file name, without a suffix; raise InvalidSyntax for one that no file could bear."""
    name = did.translate(_FROM_DID)
    if not name.isascii() or len(name) > _MAX_BYTES or not name.startswith("did_") or set(name) & {"/", "\\", "\0"}:
        raise InvalidSyntax(f"no file can bear the name of {did[:80]!r}")
    return name


def name_to_did(name: str) -> str:
    """Undo `did_to_name`."""
    return name.translate(_TO_DID)


def sharded(directory: Path, did: str, suffix: str) -> Path:
    """Return `directory/<2 hex of sha256(did)>/<name><suffix>`: 256 folders, so none grows unwieldy."""
    return directory / sha256(did.encode()).hexdigest()[:2] / (did_to_name(did) + suffix)
