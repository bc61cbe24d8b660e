"""Apps with hosts of their own, and keys of strangers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.app_hosts import AppHosts, app_hosts

# The keys are those that the tests of the protocol sign with.
sys.path.insert(0, str(Path(__file__).parents[2] / "protocol" / "oauth"))


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[AppHosts]:
    async with app_hosts(tmp_path) as served:
        yield served
