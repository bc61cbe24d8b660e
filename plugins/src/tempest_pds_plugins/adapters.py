"""How a plugin offers an adapter: its name, how to make one, and the settings it reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tempest_pds_plugins.settings import Setting

T_co = TypeVar("T_co", covariant=True)

Environment = Mapping[str, str]
"""The settings as text, by name: the process's environment, or what stands in for it."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What core tells an adapter about the server it serves.

    Attributes:
        data_dir: The data directory, absolute. Only one process works in it at a time. hostname: The host name of the
        server, without a port. public_url: Where clients reach it, without a slash at the end. version: The version
        of the core. is_local: Whether this is a developer's own machine, where showing a mail's text in the log helps
        and harms nobody.
    """

    data_dir: Path
    hostname: str = "localhost"
    public_url: str = "http://localhost:4000"
    version: str = ""
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Adapter(Generic[T_co]):
    """One adapter on offer.

    Attributes:
        name: What configuration calls it, in lower case: ``s3``.
        create: Makes one from the environment and the context. Called only if it is selected; here is where an adapter
            imports what is heavy, and reads its settings (`InvalidSettings` tells what to set). It does no I/O: that
            is `open`.
        settings: What it reads from the environment, from `settings.declared`; shown by ``tempest config``.
        summary: A few words for a table.
    """

    name: str
    create: Callable[[Environment, PluginContext], T_co]
    settings: tuple[Setting, ...] = ()
    summary: str = ""
