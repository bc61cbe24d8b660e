"""A secret key in a file, in the forms that tools give it."""

from __future__ import annotations

import re
from typing import Final

from tempest_pds.migration.errors import MigrationError
from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.crypto.keys import Curve, PrivateKey, private_key
from tempest_pds.protocol.errors import InvalidEncoding

# https://github.com/multiformats/multicodec/blob/master/table.csv
_PREFIXES: Final[dict[Curve, bytes]] = {"k256": b"\x81\x26", "p256": b"\x86\x26"}
_HEX: Final = re.compile(r"(?:(k256|p256) )?(?:0x)?([0-9a-fA-F]{64})")


def parse_secret_key(text: str, where: str) -> PrivateKey:
    """Read a key: 64 hex digits (K-256, unless `p256 ` stands before them), or a multikey, as goat writes it.

    Args:
        where: it was found, for the message.

    Raises MigrationError.
    """
    word = text.strip()
    try:
        if match := _HEX.fullmatch(word):
            return private_key(bytes.fromhex(match[2]), "p256" if match[1] == "p256" else "k256")
        if word.startswith("z"):
            data = base58.decode(word[1:])
            for curve, prefix in _PREFIXES.items():
                if data.startswith(prefix):
                    return private_key(data[len(prefix) :], curve)
    except InvalidEncoding:
        pass
    raise MigrationError(f"{where} is no secret key: it is 64 hex digits, or a multikey such as z3vL…")
