"""A plugin that is installed for one test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.plugin_folder import write_plugin

from tempest_pds.plugin_loading import installed_entry_points


@contextmanager
def installed_plugin(name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a plugin, and give its folder."""
    module = write_plugin(folder, name, source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)
    # A process looks once for what is installed.
    installed_entry_points.cache_clear()
    yield folder
    installed_entry_points.cache_clear()
