"""Whose a file is, in words that an operator can act on."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def user_name(uid: int) -> str:
    """Give the name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def owner_if_other(path: Path) -> str | None:
    """Name the owner of a file, if it is not who runs this process; None as well where nobody can tell."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    return None if owner == os.geteuid() else user_name(owner)
