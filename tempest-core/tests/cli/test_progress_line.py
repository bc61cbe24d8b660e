"""Progress: a line that changes on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import io

from tempest_pds.cli.progress_line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_on_a_terminal_one_line_changes_and_is_wiped_at_the_end() -> None:
    terminal, clock = Terminal(), Clock()
    with ProgressLine(terminal, clock) as progress:
        progress("records", 1_500, 3_000)
        progress("records", 1_501, 3_000)  # too soon to be shown
        clock.now = 1
        progress("records", 3_000, 3_000)
    shown = terminal.getvalue().split("\r")
    assert shown[1] == "records: [############............] 1,500 of 3,000 (50%)"
    assert shown[2].rstrip() == "records: [########################] 3,000 of 3,000 (100%)"
    assert shown[3].strip() == ""
    assert "\n" not in terminal.getvalue()


def test_a_shorter_line_covers_a_longer_one() -> None:
    terminal, clock = Terminal(), Clock()
    progress = ProgressLine(terminal, clock)
    progress("a rather long name of what is done", 1, None)
    clock.now = 1
    progress("short", 2, None)
    first, second = terminal.getvalue().split("\r")[1:]
    assert len(second) == len(first)


def test_in_a_pipe_a_line_is_written_now_and_then() -> None:
    pipe, clock = io.StringIO(), Clock()
    with ProgressLine(pipe, clock) as progress:
        for second in range(31):
            clock.now = second
            progress("accounts", second, None)
    assert pipe.getvalue() == "accounts: 10\naccounts: 20\naccounts: 30\n"


def test_what_is_over_at_once_says_nothing() -> None:
    pipe = io.StringIO()
    with ProgressLine(pipe, Clock()) as progress:
        progress("accounts", 1, 1)
    assert pipe.getvalue() == ""
