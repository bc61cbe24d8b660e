"""The plugin manager: loads what is installed, and makes what configuration selects.

    plugins = PluginManager.load(os.environ)
    plugins.require_sound()                     # before serving: a broken plugin may be a policy that is missing
    blobs = plugins.create_blob_store("local", os.environ, context)
    plugins.notify("server_started", hostname=..., public_url=..., version=...)

Terms: a *plugin* is an installed module behind an entry point of the group `tempest_pds.plugins`; it *offers*
adapters, each a kind and a name, and *implements* observers and policies. Offering imports next to nothing; making an
adapter imports what it works with. The core's own adapters are offered by `tempest_pds.builtin_plugins`, through the
same door.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Final, TypeVar

import pluggy

from tempest_pds.adapter_selection import EXTRAS, AdapterKind, Selection, how_to_install
from tempest_pds.plugin_errors import AdapterUnusable, PluginFailed, UnknownAdapter
from tempest_pds.plugin_hooks import HookCalls
from tempest_pds.plugin_loading import FoundPlugin, installed_entry_points, load_plugins, one_line
from tempest_pds_plugins import hookspecs
from tempest_pds_plugins.adapters import Adapter, PluginContext
from tempest_pds_plugins.backup_sink import BackupSink
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import PluginError
from tempest_pds_plugins.mailer import Mailer
from tempest_pds_plugins.markers import PROJECT
from tempest_pds_plugins.settings import Setting
from tempest_pds_plugins.telemetry_exporter import TelemetryExporter

T = TypeVar("T")

DISABLED: Final = Setting(
    "TEMPEST_PLUGINS_DISABLED", "list", "", False, "installed plugins that are not loaded, by name"
)

_REGISTRATION_HOOKS: Final = {kind.hook for kind in AdapterKind}


@dataclass(frozen=True, slots=True)
class Offer:
    """An adapter that a plugin offers."""

    plugin: FoundPlugin
    kind: AdapterKind
    adapter: Adapter[Any]


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One row of `tempest plugins`.

    An adapter, a plugin's hooks, a plugin that failed, or a selected name that nobody offers.
    """

    plugin: str
    version: str
    distribution: str
    kind: str
    name: str
    selected: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class PluginInUse:
    """A loaded plugin, with those of its adapters that are selected (`blob store local`), and the hooks it has."""

    name: str
    distribution: str
    version: str
    adapters: Sequence[str]
    hooks: Sequence[str]


class PluginManager:
    """The loaded plugins. Sound or not, it can be listed; `require_sound` is what refuses."""

    def __init__(self, found: Iterable[FoundPlugin]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: list[FoundPlugin] = []
        self._hooks: dict[str, list[str]] = {}
        self._offers: dict[tuple[AdapterKind, str], list[Offer]] = {}
        for plugin in found:
            problem = plugin.problem or self._register(plugin)
            self._plugins.append(FoundPlugin(plugin.name, plugin.distribution, plugin.version, plugin.module, problem))
        self._calls = HookCalls(self._manager)
        self.listens = self._calls.listens
        self.notify = self._calls.notify
        self.first_refusal = self._calls.first_refusal

    @classmethod
    def load(cls, environment: Mapping[str, str], entry_points: Sequence[EntryPoint] | None = None) -> "PluginManager":
        """Load the installed plugins, or those behind the given entry points, except the disabled ones."""
        disabled = {name.strip() for name in environment.get(DISABLED.name, "").split(",")}
        return cls(load_plugins(installed_entry_points() if entry_points is None else entry_points, disabled))

    def require_sound(self) -> None:
        """Raise `PluginFailed` if any installed plugin has failed.

        Not only the selected ones: what a plugin that does not load would have guarded is not known.
        """
        failed = [f"plugin {plugin.name!r} ({plugin.distribution}) {plugin.problem}" for plugin in self._failed()]
        if failed:
            names = ",".join(sorted({plugin.name for plugin in self._failed()}))
            raise PluginFailed(f"{'; '.join(failed)}; to start without: {DISABLED.name}={names}")

    def create_blob_store(self, name: str, environment: Mapping[str, str], context: PluginContext) -> BlobStore:
        """Make the blob store of this name. Raises `UnknownAdapter`, `AdapterUnusable`."""
        return self._create(AdapterKind.BLOB_STORE, BlobStore, name, environment, context)  # type: ignore[type-abstract]

    def create_backup_sink(self, name: str, environment: Mapping[str, str], context: PluginContext) -> BackupSink:
        """Make the backup sink of this name. Raises `UnknownAdapter`, `AdapterUnusable`."""
        return self._create(AdapterKind.BACKUP_SINK, BackupSink, name, environment, context)  # type: ignore[type-abstract]

    def create_mailer(self, name: str, environment: Mapping[str, str], context: PluginContext) -> Mailer:
        """Make the mailer of this name. Raises `UnknownAdapter`, `AdapterUnusable`."""
        return self._create(AdapterKind.MAILER, Mailer, name, environment, context)  # type: ignore[type-abstract]

    def create_telemetry_exporters(
        self, names: Iterable[str], environment: Mapping[str, str], context: PluginContext
    ) -> list[TelemetryExporter]:
        """Make the telemetry exporters of these names, in order. Raises `UnknownAdapter`, `AdapterUnusable`."""
        contract: type[TelemetryExporter] = TelemetryExporter  # type: ignore[type-abstract]
        return [self._create(AdapterKind.TELEMETRY, contract, name, environment, context) for name in names]

    def settings(self) -> list[tuple[str, Setting]]:
        """Return every setting that the installed plugins read, beside the plugin's name."""
        declared = {
            (offer.plugin.name, setting): None
            for offers in self._offers.values()
            for offer in offers
            for setting in offer.adapter.settings
        }
        return [("core", DISABLED), *declared]

    def in_use(self, selection: Selection) -> list[PluginInUse]:
        """Return every loaded plugin with what of it this server uses; makes nothing."""
        selected = set(selection.pairs())
        used: dict[str, list[str]] = {plugin.name: [] for plugin in self._plugins if plugin.problem is None}
        for (kind, name), offers in self._offers.items():
            for offer in offers if (kind, name) in selected else ():
                used[offer.plugin.name].append(f"{kind.label} {name}")
        return [
            PluginInUse(plugin.name, plugin.distribution, plugin.version, used[plugin.name], self._hooks[plugin.name])
            for plugin in self._plugins
            if plugin.problem is None
        ]

    def report(
        self, selection: Selection, environment: Mapping[str, str], context: PluginContext
    ) -> list[PluginReport]:
        """Return what is installed, what is selected, and what failed and why.

        The selected adapters are made, for only that shows whether they can be: a wrong setting is a problem here.
        """
        selected = selection.pairs()
        rows = []
        for plugin in self._plugins:
            described = (plugin.name, plugin.version, plugin.distribution)
            if plugin.problem is not None:
                rows.append(PluginReport(*described, "", "", True, plugin.problem))
                continue
            offers = [offer for offers in self._offers.values() for offer in offers if offer.plugin.name == plugin.name]
            for offer in offers:
                key = (offer.kind, offer.adapter.name)
                problem = self._why_not(*key, environment, context) if key in selected else None
                rows.append(PluginReport(*described, offer.kind.label, offer.adapter.name, key in selected, problem))
            if self._hooks[plugin.name]:
                rows.append(PluginReport(*described, "hooks", ", ".join(self._hooks[plugin.name]), True, None))
            if not offers and not self._hooks[plugin.name]:
                rows.append(PluginReport(*described, "", "", False, None))
        rows.extend(
            PluginReport("", "", "", kind.label, name, True, self._why_not(kind, name, environment, context))
            for kind, name in selected
            if (kind, name) not in self._offers
        )
        return rows

    def _failed(self) -> list[FoundPlugin]:
        return [plugin for plugin in self._plugins if plugin.problem is not None]

    def _register(self, plugin: FoundPlugin) -> str | None:
        """Register a plugin's hooks and take up its offers; return what is wrong, having undone all."""
        try:
            self._manager.register(plugin.module, plugin.name)
            callers = self._manager.get_hookcallers(plugin.module) or []
            problem = next(filter(None, (_contract_breach(caller, plugin.module) for caller in callers)), None)
            offers = [] if problem else self._ask_for_offers(plugin)
        except Exception as error:  # noqa: BLE001 - a plugin that breaks the contract is told, not raised
            problem, offers = f"breaks the contract: {one_line(error)}", []
        if problem is not None:
            if self._manager.is_registered(plugin.module):
                self._manager.unregister(plugin.module)
            return problem
        for offer in offers:
            self._offers.setdefault((offer.kind, offer.adapter.name), []).append(offer)
        self._hooks[plugin.name] = sorted({caller.name for caller in callers} - _REGISTRATION_HOOKS)
        return None

    def _ask_for_offers(self, plugin: FoundPlugin) -> list[Offer]:
        offers: list[Offer] = []
        for kind in AdapterKind:
            caller = getattr(self._manager.hook, kind.hook)
            for implementation in caller.get_hookimpls():
                if implementation.plugin is not plugin.module:
                    continue
                for adapter in implementation.function():
                    if not isinstance(adapter, Adapter) or not adapter.name or adapter.name != adapter.name.lower():
                        raise TypeError(f"{kind.hook} returns Adapter objects with names in lower case")
                    offers.append(Offer(plugin, kind, adapter))
        return offers

    def _create(
        self, kind: AdapterKind, contract: type[T], name: str, environment: Mapping[str, str], context: PluginContext
    ) -> T:
        selected = f"{kind.setting}={name}"
        offers = self._offers.get((kind, name), [])
        if not offers:
            raise UnknownAdapter(f"{selected}: {self._advice(kind, name)}")
        if len(offers) > 1:
            owners = " and ".join(sorted(f"{offer.plugin.name!r} ({offer.plugin.distribution})" for offer in offers))
            raise AdapterUnusable(f"{selected}: the plugins {owners} all offer it; uninstall all but one")
        plugin = offers[0].plugin
        try:
            made = offers[0].adapter.create(environment, context)
        except PluginError as error:
            raise AdapterUnusable(f"{selected}: {' '.join(str(error).split())}") from error
        except Exception as error:
            raise AdapterUnusable(f"{selected}: plugin {plugin.name!r} failed: {one_line(error)}") from error
        if not isinstance(made, contract):
            raise AdapterUnusable(f"{selected}: plugin {plugin.name!r} made a {type(made).__name__}, no {kind.label}")
        return made

    def _why_not(
        self, kind: AdapterKind, name: str, environment: Mapping[str, str], context: PluginContext
    ) -> str | None:
        try:
            self._create(kind, kind.contract, name, environment, context)
        except (UnknownAdapter, AdapterUnusable) as error:
            return str(error)
        return None

    def _advice(self, kind: AdapterKind, name: str) -> str:
        installed = ", ".join(sorted(offered for other, offered in self._offers if other is kind)) or "none"
        absent = {
            known: extra
            for (other, known), extra in EXTRAS.items()
            if (other, known) not in self._offers and other is kind
        }
        if name in absent:
            return (
                f"this {kind.label} is not in this environment: {how_to_install(absent[name])}; installed: {installed}"
            )
        more = "".join(f"; tempest-pds-{extra} brings {known}" for known, extra in sorted(absent.items()))
        return f"no installed plugin offers this {kind.label}; installed: {installed}{more}"


def _contract_breach(caller: pluggy.HookCaller, module: object) -> str | None:
    """Tell what pluggy lets pass: an unknown hook, a wrapper, a coroutine function that nobody would await."""
    for implementation in caller.get_hookimpls():
        if implementation.plugin is not module:
            continue
        if caller.spec is None and not implementation.optionalhook:
            return f"implements the hook {caller.name!r}, which this version of Tempest does not have"
        if implementation.hookwrapper or implementation.wrapper:
            return f"wraps the hook {caller.name!r}: hooks are implemented, not wrapped"
        if inspect.iscoroutinefunction(implementation.function):
            return f"implements the hook {caller.name!r} as a coroutine: hooks are plain functions"
    return None
