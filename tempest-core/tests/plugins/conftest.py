"""Plugins made on the spot: modules with hooks behind entry points, without a distribution."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path

import pytest

from tempest_pds_plugins import ENTRY_POINT_GROUP

_numbers = count()


@pytest.fixture
def make_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], EntryPoint]:
    """Make a plugin of this name from the source of its module."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, source: str) -> EntryPoint:
        module = f"plugin_made_for_a_test_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(f"from tempest_pds_plugins import *\n{source}")
        return EntryPoint(name, module, ENTRY_POINT_GROUP)

    return make
