"""Each lesson in `docs/lessons.md` has tests, which exist, and run whenever tests are run."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LESSONS = re.findall(r"^\| (?!Lesson \|)([^`|]+) \| (.+) \|$", (ROOT / "docs" / "lessons.md").read_text(), re.MULTILINE)


def test_there_are_fifteen_lessons_each_told_once() -> None:
    assert len({text for text, _ in LESSONS}) == len(LESSONS) == 15


@pytest.mark.parametrize(("lesson", "cell"), LESSONS, ids=[text for text, _ in LESSONS])
def test_a_lesson_has_tests_that_run_always(lesson: str, cell: str) -> None:
    named = cell.split(" ")
    assert named
    for code in named:
        path, separator, name = code.strip("`").partition("::")
        assert separator, code
        found = [
            node
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert len(found) == 1, code
        marks = " ".join(ast.unparse(decorator) for decorator in found[0].decorator_list)
        assert "mark.long" not in marks, code
        assert "skip" not in marks, code
