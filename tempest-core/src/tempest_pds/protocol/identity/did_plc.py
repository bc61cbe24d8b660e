"""`did:plc`: a hash of the DID's first operation, in base32. https://web.plc.directory/spec/v0.1/did-plc"""

from __future__ import annotations

import re
from typing import Final

_DID_PLC: Final = re.compile(r"did:plc:[a-z2-7]{24}")


def is_did_plc(did: str) -> bool:
    """Tell whether the directory could know a DID."""
    return _DID_PLC.fullmatch(did) is not None
