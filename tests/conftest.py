"""Fixtures for the tests that need Node or a running server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.node import Node, NodeMissing, find_node

if TYPE_CHECKING:
    from tests.support.observed import Observed

RunNode = Callable[[Path, Iterable[Any]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def node() -> Node:
    """The npm packages: a test that wants them is skipped where they are absent, and fails in CI."""
    try:
        return find_node()
    except NodeMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def run_node(node: Node) -> RunNode:
    """`run_node(script, cases)`: judge JSON-able cases by the default export of an ES module (see `Node.run`)."""
    return node.run


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A server with both telemetry exporters, shared by the tests that look at what it measures."""
    from tests.support.observed import observed_server

    with observed_server(tmp_path_factory.mktemp("observed") / "data") as server:
        yield server
