"""Each line of `docs/security.md` has tests, which exist, and run whenever tests are run."""

import ast
import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
HEAD = "| Section | What it asks | How it is kept | Tests |"
STANDARDS = ["RFC 9700", "RFC 9449", "RFC 9126", "RFC 7636", "RFC 9101", "RFC 9207"]


@dataclass
class Table:
    """A table, and the list of tests below it."""

    standard: str
    lines: list[list[str]] = field(default_factory=list)
    tests: dict[int, str] = field(default_factory=dict)


def tables() -> list[Table]:
    """Return the tables of the standards, in the order of the page."""
    found = []
    for part in PAGE.partition("## Line by line\n")[2].split("\n### ")[1:]:
        title, _, rest = part.partition("\n")
        table = Table(title.rpartition(": ")[2])
        for line in rest.splitlines():
            if line.startswith("|") and line != HEAD and not line.startswith("|---"):
                table.lines.append([cell.strip() for cell in line.strip("|").split(" | ")])
            elif named := re.fullmatch(r"(\d+)\. `([^`]+)`", line):
                table.tests[int(named[1])] = named[2]
            else:
                assert not line or line.startswith("|"), line
        found.append(table)
    return found


TABLES = tables()
LINES = [(table, cells) for table in TABLES for cells in table.lines]


def numbers(cells: list[str]) -> list[int]:
    return [int(number) for number in cells[3].split(", ")]


def place(section: str) -> list[int]:
    """Return the first section that a line names, to sort by."""
    return [int(number) for number in re.findall(r"\d+", re.split("[,–]", section)[0])]


@functools.cache
def functions_of(path: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse((ROOT / path).read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_each_standard_has_a_table_by_section_and_no_line_is_told_twice() -> None:
    assert [table.standard for table in TABLES] == STANDARDS
    assert PAGE.count(HEAD) == len(STANDARDS)
    for table in TABLES:
        sections = [place(cells[0]) for cells in table.lines]
        assert sections == sorted(sections)
        told = [(cells[0], cells[1]) for cells in table.lines]
        assert len(set(told)) == len(told)


@pytest.mark.parametrize("table", TABLES, ids=[table.standard for table in TABLES])
def test_a_list_of_tests_counts_up_and_each_of_them_shows_a_line(table: Table) -> None:
    assert list(table.tests) == list(range(1, len(table.tests) + 1))
    assert len(set(table.tests.values())) == len(table.tests)
    assert {number for cells in table.lines for number in numbers(cells)} == set(table.tests)


@pytest.mark.parametrize(("table", "cells"), LINES, ids=[f"{table.standard} {cells[0]}" for table, cells in LINES])
def test_a_line_has_tests_that_run_always(table: Table, cells: list[str]) -> None:
    assert len(cells) == 4, cells
    assert all(cells), cells
    for code in (table.tests[number] for number in numbers(cells)):
        path, separator, name = code.partition("::")
        assert separator, code
        found = [node for node in functions_of(path) if node.name == name]
        assert len(found) == 1, code
        marks = " ".join(ast.unparse(decorator) for decorator in found[0].decorator_list)
        assert "mark.long" not in marks, code
        assert "skip" not in marks, code
        assert "xfail" not in marks, code
