"""Each line of `docs/security.md` has tests, which exist, and run whenever tests are run."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
HEAD = "| Section | What it asks | How it is kept | Tests |"
STANDARDS = {"RFC 9700", "RFC 9449", "RFC 9126", "RFC 7636", "RFC 9101", "RFC 9207"}


def lines() -> list[tuple[str, list[str]]]:
    """Return the lines of all tables, each with the standard that it is of."""
    found, standard = [], ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            standard = line.rpartition(": ")[2]
        elif line.startswith("|") and line != HEAD and not line.startswith("|---"):
            found.append((standard, [cell.strip() for cell in line.strip("|").split(" | ")]))
    return found


LINES = lines()


@functools.cache
def functions_of(path: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse((ROOT / path).read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_each_standard_has_a_table_and_no_line_is_told_twice() -> None:
    assert {standard for standard, _ in LINES} == STANDARDS
    assert PAGE.count(HEAD) == len(STANDARDS)
    told = [(standard, cells[0], cells[1]) for standard, cells in LINES]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(("standard", "cells"), LINES, ids=[f"{of} {cells[0]}" for of, cells in LINES])
def test_a_line_has_tests_that_run_always(standard: str, cells: list[str]) -> None:
    assert len(cells) == 4, cells
    section, asks, kept, tests = cells
    assert section, asks
    assert kept, asks
    named = re.findall(r"`([^`]+)`", tests)
    assert named, asks
    assert " ".join(f"`{code}`" for code in named) == tests
    for code in named:
        path, separator, name = code.partition("::")
        assert separator, code
        found = [node for node in functions_of(path) if node.name == name]
        assert len(found) == 1, code
        marks = " ".join(ast.unparse(decorator) for decorator in found[0].decorator_list)
        assert "mark.long" not in marks, code
        assert "skip" not in marks, code
        assert "xfail" not in marks, code
