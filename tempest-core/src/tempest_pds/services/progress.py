"""How long work tells how far it is, and hears that nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable

from tempest_pds.protocol.errors import TempestError

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much, None where that is not known.

It may be called from any thread, as often as the work likes, and only where the work may end: it raises `WorkStopped`
once whoever asked for the work has gone.
"""


class WorkStopped(TempestError):
    """Whoever asked for this work has gone; it ends where it stands, which is a safe point."""


def silent(what: str, done: int, total: int | None) -> None:
    """Tell nobody."""
