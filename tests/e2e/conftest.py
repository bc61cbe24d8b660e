"""The servers under test. A scenario runs against the reference server first, which proves it, then Tempest."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.deployment import Deployment, deploy
from tests.support.lone_host import require_lone_host
from tests.support.node import Node
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


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


@pytest.fixture
def lone_tempest(tmp_path: Path) -> Iterator[Tempest]:
    """A Tempest of the test's own that nobody configured: it keeps its own ledger of DIDs. Started by the test."""
    server = Tempest(tmp_path / "data")
    yield server
    if server.running:
        server.stop()


@pytest.fixture(scope="session")
def deployment(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Tempest deployed as the operator's guide says, on a host where its public names and HTTPS work."""
    require_lone_host()
    with ExitStack() as stack:
        yield deploy(tmp_path_factory.mktemp("deployed"), node, stack, "the-administrator's-token-of-the-tests")
