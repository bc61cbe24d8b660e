"""Fixtures for the tests that need Node or a running server."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import Node, NodeMissing, find_node

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
