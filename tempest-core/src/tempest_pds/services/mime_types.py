"""What a blob is, by its first bytes. A hint for those who show it, never a promise of safety."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 4_100


def sniff(head: bytes) -> str | None:
    """Tell the MIME type of a file by its first bytes; None for text, and for what is not known."""
    import filetype  # a module for each type, which a start need not wait for

    kind = filetype.guess(head)
    return None if kind is None else str(kind.mime)
