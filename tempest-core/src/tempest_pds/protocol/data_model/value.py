"""What a record may hold: the data model's values as plain Python objects.

https://atproto.com/specs/data-model. A blob reference stays a dict with `$type: "blob"`. There are no floats.
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.data_model.cid import CID

LexValue = None | bool | int | str | bytes | CID | list["LexValue"] | dict[str, "LexValue"]
"""Any value of the data model; integers are signed, of 64 bits."""

MIN_INTEGER: Final = -(1 << 63)
MAX_INTEGER: Final = (1 << 63) - 1
MAX_DEPTH: Final = 128
"""How many lists and maps may be nested in one another. The specification asks for a limit and leaves it open."""
