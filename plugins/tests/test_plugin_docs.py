"""`docs/plugins.md` shows the example as it is, and leaves out no hook, contract, method or error."""

import inspect
import re
from pathlib import Path

import pluggy
import pytest

import tempest_pds_plugins
from tempest_pds_plugins import BackupSink, BlobStore, Mailer, PluginError, TelemetryExporter, hookspecs
from tempest_pds_plugins.markers import PROJECT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
SHOWN = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _hooks() -> list[pluggy.HookCaller]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return [caller for caller in vars(manager.hook).values() if isinstance(caller, pluggy.HookCaller)]


@pytest.mark.parametrize(("path", "source"), SHOWN, ids=[path for path, _ in SHOWN])
def test_source_shown_is_the_source(path: str, source: str) -> None:
    assert source == (ROOT / path).read_text()


def test_all_of_the_example_is_shown() -> None:
    sources = (ROOT / "plugins" / "example" / "src").rglob("*.py")
    assert {path for path, _ in SHOWN} >= {
        source.relative_to(ROOT).as_posix() for source in sources if source.name != "__init__.py"
    }


def test_the_adapter_has_some_sixty_lines() -> None:
    source = next(source for path, source in SHOWN if path.endswith("folder_blob_store.py"))
    code = source.split('"""', 2)[2]
    lines = [
        line
        for line in code.splitlines()
        if line.strip() and not line.strip().startswith(("#", '"""', "import", "from"))
    ]
    assert len(lines) <= 65


@pytest.mark.parametrize("hook", _hooks(), ids=lambda hook: hook.name)
def test_hook_is_described_with_its_arguments(hook: pluggy.HookCaller) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `") and f"`{hook.name}`" in line)
    assert hook.spec is not None
    for argument in hook.spec.argnames:
        assert f"`{argument}`" in row
    assert hook.spec.function.__doc__


@pytest.mark.parametrize("contract", [BlobStore, BackupSink, Mailer, TelemetryExporter])
def test_contract_is_described_with_its_methods(contract: type) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{contract.__name__}`"))
    for name, method in inspect.getmembers(contract, inspect.isfunction):
        if not name.startswith("_"):
            assert f"`{name}`" in row
            assert method.__doc__


def test_every_public_name_has_a_docstring() -> None:
    for name in tempest_pds_plugins.__all__:
        value = getattr(tempest_pds_plugins, name)
        if inspect.isclass(value):
            assert value.__doc__, name
            assert not issubclass(value, PluginError) or value.__doc__
