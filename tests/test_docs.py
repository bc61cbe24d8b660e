"""The pages in `docs/` say what the code does: the generated ones are current, and all of them name what is there."""

import inspect
import re
import subprocess
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest
from docs.generator import FOLDER, PAGES
from docs.generator.settings import builtin_settings

from tempest_pds.cli.main import cli
from tempest_pds.http.admin import load_admin_routes
from tempest_pds.http.admin_routes import AdminRoute
from tempest_pds.http.methods import load_methods
from tempest_pds.plugin_loading import FoundPlugin
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.settings import Settings
from tempest_pds.settings_fields import setting_fields
from tempest_pds.telemetry import INSTRUMENTS, Instrument
from tempest_pds_backup_s3.settings import S3Settings as BackupS3Settings
from tempest_pds_blob_s3.settings import S3Settings as BlobS3Settings
from tempest_pds_otel.settings import OtlpSettings, ResourceSettings
from tempest_pds_plugins import hookspecs
from tempest_pds_plugins.markers import PROJECT
from tempest_pds_plugins.settings import declared
from tempest_pds_smtp.settings import SmtpSettings

ROOT = FOLDER.parent
WRITTEN = sorted({*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *FOLDER.glob("*.md")})
"""Every page that a person reads: generated or not."""
CONTEXT = click.Context(cli)


def rows(page: str) -> dict[str, str]:
    """Give the rows of a page's tables by the code that stands first in them."""
    text = (FOLDER / page).read_text()
    return {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)`.*$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "write the pages anew: nox -s docs"


@pytest.mark.parametrize("nsid", load_methods())
def test_a_method_has_its_row(nsid: str) -> None:
    row = rows("endpoints.md")[nsid]
    assert f"| {load_methods()[nsid].kind} |" in row
    assert " |  |" not in row, "a cell is empty"


def test_every_method_of_com_atproto_is_told_of() -> None:
    """Served, passed on or not here: a client's author finds each."""
    told = rows("endpoints.md")
    lexicons = Lexicons()
    for nsid in lexicons:
        if nsid.startswith("com.atproto."):
            kind = (lexicons.document(nsid) or {})["defs"].get("main", {}).get("type")
            assert kind not in {"query", "procedure", "subscription"} or nsid in told, nsid


@pytest.mark.parametrize("name", [field.name for field in setting_fields(Settings)])
def test_a_setting_has_its_row(name: str) -> None:
    assert name in rows("settings.md")


@pytest.mark.parametrize("name", [setting.name for setting in builtin_settings()])
def test_a_setting_of_the_core_s_own_adapters_has_its_row(name: str) -> None:
    assert name in rows("settings.md")


@pytest.mark.parametrize(
    ("folder", "settings"),
    [
        ("tempest-blob-s3", BlobS3Settings),
        ("tempest-backup-s3", BackupS3Settings),
        ("tempest-smtp", SmtpSettings),
        ("tempest-otel", OtlpSettings),
        ("tempest-otel", ResourceSettings),
    ],
)
def test_an_adapter_s_page_lists_its_settings(folder: str, settings: type) -> None:
    """With their defaults, in the words of their declarations."""
    page = (ROOT / folder / "README.md").read_text()
    for setting in declared(settings):
        default = "required" if setting.default is None else f"`{setting.default}`" if setting.default else "none"
        secret = ", secret" if setting.secret else ""
        assert f"| `{setting.name}` | {default}{secret} | {setting.help} |\n" in page


@pytest.mark.parametrize("name", [name for name, hook in vars(hookspecs).items() if hasattr(hook, f"{PROJECT}_spec")])
def test_a_hook_has_its_row(name: str) -> None:
    told = (FOLDER / "plugins.md").read_text().partition("\n## Hooks\n")[2]
    [row] = [line for line in told.splitlines() if line.startswith("| `") and f"`{name}`" in line.split("|")[1]]
    arguments = " ".join(f"`{argument}`" for argument in inspect.signature(getattr(hookspecs, name)).parameters)
    assert row.split("|")[2].strip() == arguments


def test_the_contract_s_page_shows_a_plugin_that_works() -> None:
    shown = re.findall(r"^```python\n(.*?)^```", (ROOT / "plugins" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    module = ModuleType("greeter.plugin")
    exec(shown[0], vars(module))
    plugins = PluginManager([FoundPlugin("greeter", "tempest-pds-greeter", "1.0.0", module)])
    plugins.require_sound()
    assert plugins.first_refusal("check_sign_up", handle="bob.test", email=None, invite_code=None, client_ip=None)
    assert not plugins.first_refusal("check_sign_up", handle="alice.test", email=None, invite_code=None, client_ip=None)


@pytest.mark.parametrize("route", list(load_admin_routes().values()), ids=lambda route: route.path)
def test_a_route_of_the_administrator_has_its_row(route: AdminRoute) -> None:
    told = (FOLDER / "endpoints.md").read_text().partition("## Administration\n")[2].partition("\n## ")[0]
    [row] = [line for line in told.splitlines() if line.startswith(f"| `{route.http_method} {route.path}` |")]
    assert " |  |" not in row, "a cell is empty"


def every_command(group: click.Group, path: str = "tempest") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")


@pytest.mark.parametrize(
    ("path", "command"), list(every_command(cli)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_command_is_told_of_with_its_options(path: str, command: click.Command) -> None:
    section = (FOLDER / "cli.md").read_text().partition(f"# `{path}`\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    assert inspect.cleandoc(command.help or "") in section
    for parameter in command.params:
        told = parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar(CONTEXT)]
        assert all(text in section for text in told)


def test_the_overview_of_commands_says_what_each_says_of_itself() -> None:
    """It is written down apart, so that `tempest --help` imports none of them."""
    from tempest_pds.cli.main import _COMMANDS

    for name, (_, line) in _COMMANDS.items():
        command = cli.get_command(CONTEXT, name)
        assert command is not None
        assert inspect.cleandoc(command.help or "").split("\n\n")[0] == line, name


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.name)
def test_an_instrument_has_its_row(instrument: Instrument) -> None:
    """That these are the instruments that measure, and their attributes, is tested in `test_metrics.py`."""
    row = rows("metrics.md")[instrument.name]
    assert all(f"`{attribute}`" in row for attribute in instrument.attributes)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        document = (page.parent / target).resolve() if target else page
        assert document.exists(), target
        if anchor:
            assert anchor in anchors(document), f"{target}#{anchor}"


def anchors(document: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_are_there(page: Path) -> None:
    tracked = files()
    for name in re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", page.read_text()):
        if looks_like_ours(name) and not name.startswith(".nox/"):
            wanted = name.rstrip("/")
            assert any(file.endswith(f"/{wanted}") or f"/{wanted}/" in file for file in tracked), name


def section(heading: str) -> str:
    """Give a section of the operator's page."""
    return (FOLDER / "operating.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    "event", re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", section("Logs"), re.M)))
)
def test_events_that_the_operator_is_to_watch_for_are_logged(event: str) -> None:
    assert any(f'"{event}"' in source for source in sources())


@pytest.mark.parametrize("message", re.findall(r"^\| `(.*?)` ?(?:,.*)?\|", section("Troubleshooting"), re.MULTILINE))
def test_messages_that_the_operator_may_meet_are_in_the_source(message: str) -> None:
    """As far as one string of the source goes: what stands for an ellipsis, and where a line breaks, differs."""
    pieces = re.split(r"[…=:]", message)
    assert any(len(piece) > 8 and any(piece.strip() in source for source in sources()) for piece in pieces)


@cache
def sources() -> list[str]:
    """Give the text of every module of the six packages."""
    return [path.read_text() for path in ROOT.glob("*/src/**/*.py")]


def test_code_that_a_page_shows_is_in_the_source() -> None:
    shown = re.findall(r"^ *```python\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for code in shown:
        assert any(textwrap.dedent(code) in source for source in sources()), code


def files() -> list[str]:
    """Give the paths of all files of the repository, each with a slash in front."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [f"/{name}" for name in listed.stdout.decode().split("\0") if name]


def looks_like_ours(name: str) -> bool:
    """Tell a path of the repository from a file that the server makes, or a word."""
    if "node_modules" in name:
        return False
    if name.endswith((".py", ".mjs", ".md", ".toml")):
        return True
    return "/" in name and name.split("/")[0] in {path.name for path in ROOT.iterdir()} | {"http", "services", "stores"}
