"""Find the installed plugins and load their registration modules.

Each is loaded by itself, so that what one raises, an `AssertionError` or a `SystemExit` included, is that one's
failure and is told under its name.
"""

import importlib.metadata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from stevedore.extension import ExtensionManager

from tempest_pds_plugins.markers import ENTRY_POINT_GROUP


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """A plugin as installed: its registration module, or why there is none."""

    name: str
    distribution: str
    version: str
    module: Any = None
    problem: str | None = None


@cache
def installed_entry_points() -> Sequence[EntryPoint]:
    """Return the entry points of all installed plugins, by name, as they were when this was first asked.

    Python looks through every installed distribution for them, and a start asks for the settings and for the adapters.
    """
    return sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value))


def load_plugins(entry_points: Iterable[EntryPoint], disabled: Collection[str] = ()) -> list[FoundPlugin]:
    """Load each plugin that is not disabled, and whose name is its own."""
    wanted = [point for point in entry_points if point.name not in disabled]
    claims = Counter(point.name for point in wanted)
    found = []
    for point in wanted:
        if claims[point.name] > 1:
            owners = " and ".join(sorted(_distribution(other)[0] for other in wanted if other.name == point.name))
            problem = f"{claims[point.name]} plugins are called {point.name!r}, from {owners}: uninstall all but one"
            found.append(FoundPlugin(point.name, *_distribution(point), problem=problem))
        else:
            found.append(_load(point))
    return found


def _load(point: EntryPoint) -> FoundPlugin:
    distribution, version = _distribution(point)
    try:
        module = _SingleManager(point).extensions[0].plugin
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises, it is the plugin's failure
        return FoundPlugin(point.name, distribution, version, problem=f"cannot be loaded: {one_line(error)}")
    return FoundPlugin(point.name, distribution, version, module=module)


def one_line(error: BaseException) -> str:
    """Return an exception's class and message as one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _distribution(point: EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        return "unknown", ""
    metadata = point.dist.metadata  # which is parsed at each access
    return metadata["Name"], metadata["Version"]


class _SingleManager(ExtensionManager[Any]):
    """stevedore over one entry point, found by us.

    stevedore keeps what it finds in ~/.cache, under modification times rounded to two minutes: a plugin installed just
    after a look would stay unseen. `importlib.metadata` looks each time, and knows the distribution's name and version.
    """

    def __init__(self, point: EntryPoint) -> None:
        self._point = point
        super().__init__(ENTRY_POINT_GROUP, on_load_failure_callback=_raise)

    def list_entry_points(self) -> list[EntryPoint]:
        return [self._point]


def _raise(_manager: object, _point: EntryPoint, error: BaseException) -> None:
    raise error
