"""Hurl, which runs the smoke suites: the binary that `nox -s hurl` builds, or one of this machine."""

import os
import shutil
from pathlib import Path

import pytest

SMOKE = Path(__file__).parent.parent / "smoke"


def find_hurl() -> Path | None:
    """Return the binary below TEMPEST_TEST_TOOLS (see `noxfile.py`), or of this machine."""
    tools = Path(os.environ.get("TEMPEST_TEST_TOOLS") or "~/.cache/tempest-tests").expanduser()
    built = tools / "hurl" / "bin" / "hurl"
    found = str(built) if built.is_file() else shutil.which("hurl")
    return None if found is None else Path(found)


def require_hurl() -> Path:
    """Return the binary; where there is none, skip the test, and in CI fail it."""
    found = find_hurl()
    if found is None:
        message = "no Hurl: `nox -s hurl` builds it, with cargo and the headers that it names"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found
