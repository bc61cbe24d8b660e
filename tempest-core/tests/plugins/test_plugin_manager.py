"""Loading plugins, selecting adapters, and telling what is wrong in one line each."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tempest_pds.adapter_selection import Selection
from tempest_pds.adapters.disk_blob_store import DiskBlobStore
from tempest_pds.plugin_errors import AdapterUnusable, PluginFailed, UnknownAdapter
from tempest_pds.plugins import PluginManager, PluginReport
from tempest_pds_plugins import ENTRY_POINT_GROUP, PluginContext
from tempest_pds_plugins.memory import MemoryBlobStore

MakePlugin = Callable[[str, str], EntryPoint]
PIP = f"{sys.executable} -m pip install"
CORE = EntryPoint("core", "tempest_pds.builtin_plugins", ENTRY_POINT_GROUP)
MEMORY_STORE = """
from tempest_pds_plugins.memory import MemoryBlobStore
@hookimpl
def register_blob_stores():
    return [Adapter("memory", lambda environment, context: MemoryBlobStore())]
"""


@pytest.fixture
def context(tmp_path: Path) -> PluginContext:
    return PluginContext(data_dir=tmp_path)


def load(*entry_points: EntryPoint, environment: dict[str, str] | None = None) -> PluginManager:
    return PluginManager.load(environment or {}, entry_points)


def problems(manager: PluginManager, context: PluginContext, selection: Selection | None = None) -> dict[str, str]:
    reports = manager.report(selection or Selection(), {}, context)
    return {report.plugin: report.problem for report in reports if report.problem}


def test_core_adapters_come_through_the_same_door(context: PluginContext) -> None:
    manager = PluginManager.load({})
    manager.require_sound()
    assert isinstance(manager.create_blob_store("local", {}, context), DiskBlobStore)
    assert type(manager.create_backup_sink("local", {}, context)).__name__ == "LocalBackupSink"
    assert type(manager.create_mailer("log", {}, context)).__name__ == "LogMailer"
    assert [type(exporter).__name__ for exporter in manager.create_telemetry_exporters(["none"], {}, context)] == [
        "NullExporter"
    ]


def test_adapter_is_made_by_name(make_plugin: MakePlugin, context: PluginContext) -> None:
    manager = load(CORE, make_plugin("mine", MEMORY_STORE))
    manager.require_sound()
    assert isinstance(manager.create_blob_store("memory", {}, context), MemoryBlobStore)


def test_an_adapter_that_needs_another_is_installed_with_it(context: PluginContext) -> None:
    with pytest.raises(UnknownAdapter, match=f"{PIP} ./tempest-blob-s3 ./tempest-backup-s3; installed: local"):
        load(CORE).create_backup_sink("s3", {}, context)


def test_unknown_adapter_tells_what_is_installed_and_what_to_install(context: PluginContext) -> None:
    with pytest.raises(UnknownAdapter) as caught:
        load(CORE).create_blob_store("s3", {}, context)
    assert str(caught.value) == (
        f"TEMPEST_BLOB_STORE=s3: this blob store is not in this environment: {PIP} tempest-pds-blob-s3, "
        f"or, from a copy of the repository, {PIP} ./tempest-blob-s3; installed: local"
    )
    with pytest.raises(UnknownAdapter) as caught:
        load(CORE).create_telemetry_exporters(["none", "otpl"], {}, context)
    assert str(caught.value) == (
        "TEMPEST_TELEMETRY=otpl: no installed plugin offers this telemetry exporter; installed: none; "
        "tempest-pds-otel brings otlp; tempest-pds-otel brings prometheus"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise AssertionError", "cannot be loaded: AssertionError"),
        ("raise SystemExit('no licence')", "cannot be loaded: SystemExit: no licence"),
        ("def broken(:", "cannot be loaded: SyntaxError"),
        (
            "@hookimpl\ndef check_recrod(did): ...",
            "implements the hook 'check_recrod', which this version of Tempest does not have",
        ),
        ("@hookimpl\ndef check_blob(did, colour): ...", "breaks the contract: PluginValidationError"),
        ("@hookimpl\nasync def server_started(hostname): ...", "as a coroutine: hooks are plain functions"),
        ("@hookimpl(wrapper=True)\ndef server_started(hostname):\n    yield", "hooks are implemented, not wrapped"),
        ("@hookimpl\ndef register_mailers():\n    return ['smtp']", "register_mailers returns Adapter objects"),
        ("@hookimpl\ndef register_mailers():\n    return [Adapter('SMTP', None)]", "names in lower case"),
        ("@hookimpl\ndef register_mailers():\n    1 / 0", "breaks the contract: ZeroDivisionError"),
    ],
)
def test_failing_plugin_is_named_listed_and_refused(
    make_plugin: MakePlugin, context: PluginContext, source: str, reason: str
) -> None:
    manager = load(CORE, make_plugin("mine", source))
    problem = problems(manager, context)["mine"]
    assert reason in problem
    assert "\n" not in problem
    with pytest.raises(PluginFailed) as caught:
        manager.require_sound()
    assert "plugin 'mine'" in str(caught.value)
    assert str(caught.value).endswith("to start without: TEMPEST_PLUGINS_DISABLED=mine")
    assert isinstance(manager.create_blob_store("local", {}, context), DiskBlobStore)


def test_failing_plugin_leaves_no_hook_behind(make_plugin: MakePlugin) -> None:
    source = "@hookimpl\ndef check_sign_up(handle):\n    return 'no'\n@hookimpl\ndef check_blob(colour): ..."
    assert not load(make_plugin("mine", source)).listens("check_sign_up")


def test_disabled_plugin_is_not_loaded(make_plugin: MakePlugin) -> None:
    manager = load(
        CORE, make_plugin("mine", "raise SystemExit"), environment={"TEMPEST_PLUGINS_DISABLED": "other, mine"}
    )
    manager.require_sound()


def test_two_plugins_of_one_name_are_both_refused(make_plugin: MakePlugin, context: PluginContext) -> None:
    manager = load(CORE, make_plugin("mine", MEMORY_STORE), make_plugin("mine", ""))
    assert "2 plugins are called 'mine'" in problems(manager, context)["mine"]
    with pytest.raises(PluginFailed, match="2 plugins are called 'mine'"):
        manager.require_sound()
    with pytest.raises(UnknownAdapter):
        manager.create_blob_store("memory", {}, context)


def test_adapter_offered_twice_is_refused_when_selected(make_plugin: MakePlugin, context: PluginContext) -> None:
    manager = load(CORE, make_plugin("one", MEMORY_STORE), make_plugin("two", MEMORY_STORE))
    manager.require_sound()
    with pytest.raises(AdapterUnusable, match=r"'one' .* and 'two' .* all offer it; uninstall all but one"):
        manager.create_blob_store("memory", {}, context)


@pytest.mark.parametrize(
    ("create", "reason"),
    [
        ("lambda environment, context: 42", "plugin 'mine' made a int, no blob store"),
        ("lambda environment, context: 1 / 0", "plugin 'mine' failed: ZeroDivisionError: division by zero"),
        ("lambda environment: None", "plugin 'mine' failed: TypeError"),
        ("create", "set TEMPEST_BLOB_MINE_KEY (the key)"),
    ],
)
def test_adapter_that_cannot_be_made_says_why(
    make_plugin: MakePlugin, context: PluginContext, create: str, reason: str
) -> None:
    source = f"""
def create(environment, context):
    raise InvalidSettings("set TEMPEST_BLOB_MINE_KEY (the key)")
@hookimpl
def register_blob_stores():
    return [Adapter("mine", {create})]
"""
    manager = load(make_plugin("mine", source))
    with pytest.raises(AdapterUnusable) as caught:
        manager.create_blob_store("mine", {}, context)
    assert str(caught.value).startswith(f"TEMPEST_BLOB_STORE=mine: {reason}")
    assert "\n" not in str(caught.value)


def test_adapter_that_is_not_selected_is_not_made(make_plugin: MakePlugin, context: PluginContext) -> None:
    source = MEMORY_STORE.replace("MemoryBlobStore()", "1 / 0")
    assert problems(load(CORE, make_plugin("mine", source)), context) == {}


def test_report_tells_of_all_there_is(make_plugin: MakePlugin, context: PluginContext) -> None:
    source = MEMORY_STORE + "@hookimpl\ndef server_started(): ...\n@hookimpl\ndef check_blob(size): ..."
    manager = load(CORE, make_plugin("mine", source), make_plugin("none", ""))
    reports = manager.report(Selection(blob_store="memory", mailer="pigeon"), {}, context)
    assert [(report.plugin, report.kind, report.name, report.selected) for report in reports] == [
        ("core", "blob store", "local", False),
        ("core", "backup sink", "local", True),
        ("core", "mailer", "log", False),
        ("core", "telemetry exporter", "none", True),
        ("mine", "blob store", "memory", True),
        ("mine", "hooks", "check_blob, server_started", True),
        ("none", "", "", False),
        ("", "mailer", "pigeon", True),
    ]
    assert [report.problem is None for report in reports] == [True] * 7 + [False]


def test_what_is_in_use_is_told_without_making_it(make_plugin: MakePlugin) -> None:
    source = MEMORY_STORE.replace("MemoryBlobStore()", "1 / 0") + "@hookimpl\ndef server_started(): ..."
    manager = load(make_plugin("mine", source), make_plugin("broken", "1 / 0"))
    [used] = manager.in_use(Selection(blob_store="memory"))
    assert (used.name, used.adapters, used.hooks) == ("mine", ["blob store memory"], ["server_started"])
    [unused] = manager.in_use(Selection())
    assert (unused.adapters, unused.hooks) == ([], ["server_started"])


def test_report_knows_versions_and_distributions(context: PluginContext) -> None:
    reports = PluginManager.load({}).report(Selection(), {}, context)
    assert PluginReport("core", "0.1.0", "tempest-pds", "blob store", "local", True, None) in reports


def test_settings_of_plugins_are_told(make_plugin: MakePlugin) -> None:
    source = """
from dataclasses import dataclass
from tempest_pds_plugins.settings import declared
@dataclass(frozen=True)
class Mine:
    key: str = setting("TEMPEST_MINE_KEY", help="the key", secret=True)
@hookimpl
def register_blob_stores():
    return [Adapter("mine", None, declared(Mine))]
@hookimpl
def register_backup_sinks():
    return [Adapter("mine", None, declared(Mine))]
"""
    told = load(CORE, make_plugin("mine", source)).settings()
    assert [(plugin, setting.name, setting.secret) for plugin, setting in told] == [
        ("core", "TEMPEST_PLUGINS_DISABLED", False),
        ("core", "TEMPEST_BLOB_LOCAL_SYNC", False),
        ("mine", "TEMPEST_MINE_KEY", True),
    ]


@pytest.mark.parametrize(
    ("environment", "selection"),
    [
        ({}, Selection("local", "local", "log", ("none",))),
        ({"TEMPEST_BLOB_STORE": "S3", "TEMPEST_BACKUP_STORE": " s3 "}, Selection(blob_store="s3", backup_sink="s3")),
        ({"TEMPEST_BLOB_STORE": ""}, Selection()),
        ({"TEMPEST_SMTP_ENABLED": "true"}, Selection(mailer="smtp")),
        ({"TEMPEST_SMTP_ENABLED": "false"}, Selection()),
        ({"TEMPEST_SMTP_ENABLED": "true", "TEMPEST_MAILER": "resend"}, Selection(mailer="resend")),
        ({"TEMPEST_TELEMETRY": "otlp, prometheus,"}, Selection(telemetry=("otlp", "prometheus"))),
    ],
)
def test_selection_comes_from_the_environment(environment: dict[str, str], selection: Selection) -> None:
    assert Selection.from_environment(environment) == selection


def test_loading_keeps_no_cache_of_what_is_installed(tmp_path: Path) -> None:
    """stevedore's own would hide a plugin that was installed within two minutes of the last look."""
    probe = "from tempest_pds.plugins import PluginManager; PluginManager.load({})"
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", probe], env=environment, check=True)
    assert [*tmp_path.iterdir()] == []
