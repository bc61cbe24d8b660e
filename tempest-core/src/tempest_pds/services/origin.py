"""Where a request comes from, as far as an account's owner and the plugins are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The client's address, and what it says that it is."""

    client_ip: str | None = None
    user_agent: str | None = None


NOWHERE: Final = Origin()
"""Of what no request asked for: the operator's commands, and what the server does by itself."""
