"""The DIDs that TXT records name, as those of handles (`_atproto.`) and of lexicons (`_lexicon.`) do: `did=…`."""

from collections.abc import Awaitable, Callable, Iterable

from tempest_pds.protocol.syntax.did import Did

TxtLookup = Callable[[str], Awaitable[list[str]]]
"""Gives the TXT strings of a name, an empty list when there are none; raises `Unreachable` when nobody answers."""


def dids_in(texts: Iterable[str]) -> set[Did]:
    """Pick the DIDs out of the TXT records of a name; what is no DID is passed over."""
    claims = (text.removeprefix("did=").strip() for text in texts if text.startswith("did="))
    return {Did.parse(claim) for claim in claims if Did.is_valid(claim)}
