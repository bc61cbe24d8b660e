"""The adapters that configuration selects, from the start of a server to its end."""

from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType

import pytest

from tempest_pds import builtin_plugins
from tempest_pds.app import build_app
from tempest_pds.plugin_errors import AdapterAway, AdapterUnusable, UnknownAdapter
from tempest_pds.plugin_loading import FoundPlugin
from tempest_pds.plugins import PluginManager
from tempest_pds.selected_adapters import SelectedAdapters
from tempest_pds.settings_loading import load_settings
from tempest_pds_plugins import Adapter, BlobStore, InvalidSettings, Mailer, TelemetryExporter, hookimpl
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.errors import StoreUnavailable
from tempest_pds_plugins.memory import MemoryBlobStore, MemoryMailer
from tempest_pds_plugins.telemetry_exporter import Exposition, ServiceIdentity


class Witness(ModuleType):
    """A plugin that notes what happens to it."""

    def __init__(self) -> None:
        super().__init__("witness")
        self.seen: list[str] = []
        seen = self.seen

        class Exporter(TelemetryExporter):
            def start(self, service: ServiceIdentity) -> None:
                seen.append(f"exporter started for {service.name} at {service.instance}")

            async def flush(self) -> None:
                seen.append("exporter flushed")

            async def stop(self) -> None:
                seen.append("exporter stopped")

        class Page(Exporter):
            def exposition(self) -> Exposition:
                return Exposition("text/plain", b"measured")

        class Locked(MemoryBlobStore):
            async def open(self) -> None:
                raise StoreUnavailable("the key\ndoes not fit")

        class Post(MemoryMailer):
            async def open(self) -> None:
                seen.append("mailer opened")

            async def close(self) -> None:
                seen.append("mailer closed")

        class Untrusting(MemoryMailer):
            async def open(self) -> None:
                raise InvalidSettings("set TEMPEST_POST_CA_FILE\nto a file")

        @hookimpl
        def register_telemetry_exporters() -> list[Adapter[TelemetryExporter]]:
            return [
                Adapter("witness", lambda environment, context: Exporter()),
                Adapter("page", lambda environment, context: Page()),
            ]

        @hookimpl
        def register_blob_stores() -> list[Adapter[BlobStore]]:
            return [Adapter("locked", lambda environment, context: Locked())]

        @hookimpl
        def register_mailers() -> list[Adapter[Mailer]]:
            return [
                Adapter("post", lambda environment, context: Post()),
                Adapter("untrusting", lambda environment, context: Untrusting()),
            ]

        @hookimpl
        def server_started(hostname: str, public_url: str, version: str) -> None:
            seen.append(f"{hostname} started at {public_url}")

        @hookimpl
        def server_stopping(hostname: str) -> None:
            seen.append(f"{hostname} stops")

        vars(self).update(
            register_telemetry_exporters=register_telemetry_exporters,
            register_blob_stores=register_blob_stores,
            register_mailers=register_mailers,
            server_started=server_started,
            server_stopping=server_stopping,
        )


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def plugins(witness: Witness) -> PluginManager:
    return PluginManager(
        [
            FoundPlugin("core", "tempest-pds", "0", builtin_plugins),
            FoundPlugin("witness", "witness", "0", witness),
        ]
    )


@pytest.mark.parametrize(
    "setting", ["TEMPEST_BLOB_STORE", "TEMPEST_BACKUP_STORE", "TEMPEST_MAILER", "TEMPEST_TELEMETRY"]
)
def test_a_name_that_nobody_offers_is_told_whatever_it_is_for(
    setting: str, plugins: PluginManager, tmp_path: Path
) -> None:
    """Also for what nothing uses yet: a server without the mailer that was asked for is not what was asked for."""
    with pytest.raises(UnknownAdapter, match=f"^{setting}=floppy: "):
        SelectedAdapters.make(plugins, {setting: "floppy"}, PluginContext(data_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_cannot_be_opened_is_told_in_one_line(plugins: PluginManager, tmp_path: Path) -> None:
    context = PluginContext(data_dir=tmp_path)
    adapters = SelectedAdapters.make(plugins, {"TEMPEST_BLOB_STORE": "locked"}, context)
    async with AsyncExitStack() as stack:
        with pytest.raises(AdapterAway) as caught:
            await adapters.open(context, stack)
    assert str(caught.value) == "TEMPEST_BLOB_STORE=locked: cannot be opened: the key does not fit"
    assert "\n" not in str(caught.value)


async def test_a_mailer_that_cannot_be_opened_is_told_in_one_line(plugins: PluginManager, tmp_path: Path) -> None:
    context = PluginContext(data_dir=tmp_path)
    adapters = SelectedAdapters.make(plugins, {"TEMPEST_MAILER": "untrusting"}, context)
    async with AsyncExitStack() as stack:
        with pytest.raises(AdapterUnusable) as caught:
            await adapters.open(context, stack)
    assert not isinstance(caught.value, AdapterAway)
    assert str(caught.value).startswith("TEMPEST_MAILER=untrusting: cannot be opened: ")
    assert "\n" not in str(caught.value)


async def test_a_mailer_is_opened_and_closed_with_the_server(
    witness: Witness, plugins: PluginManager, tmp_path: Path
) -> None:
    context = PluginContext(data_dir=tmp_path)
    adapters = SelectedAdapters.make(plugins, {"TEMPEST_MAILER": "post"}, context)
    async with AsyncExitStack() as stack:
        await adapters.open(context, stack)
        assert witness.seen == ["mailer opened"]
    assert witness.seen == ["mailer opened", "mailer closed"]


async def test_a_server_starts_exporters_and_tells_plugins_when_it_starts_and_stops(
    witness: Witness, plugins: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PluginManager, "load", lambda environment: plugins)
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process goes on after the server
    environment = {"TEMPEST_DATA_DIR": str(tmp_path), "TEMPEST_TELEMETRY": "witness"}
    app = build_app(load_settings(environment), environment)
    await app.start()
    assert witness.seen == [
        "exporter started for tempest-pds at localhost",
        "localhost started at http://localhost:4000",
    ]
    await app.stop()
    assert witness.seen[2:] == ["localhost stops", "exporter stopped"]


@pytest.mark.parametrize(
    ("selected", "body"), [("none,witness", None), ("witness,page", b"measured"), ("page,none", b"measured")]
)
async def test_the_exporter_that_has_a_page_is_found(
    selected: str, body: bytes | None, plugins: PluginManager, tmp_path: Path
) -> None:
    context = PluginContext(data_dir=tmp_path)
    adapters = SelectedAdapters.make(plugins, {"TEMPEST_TELEMETRY": selected}, context)
    async with AsyncExitStack() as stack:
        await adapters.open(context, stack)
        found = adapters.measurements()
        page = found.exposition() if found else None
        assert (page.body if page else None) == body
