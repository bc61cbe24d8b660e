"""The report of `tempest doctor`, read line by line."""

from click.testing import Result


def findings(result: Result, status: str) -> list[str]:
    """Give the lines of one status, each without it."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return [line.removeprefix(status).strip() for line in result.output.splitlines() if line.startswith(f"{status} ")]


def only_failure(result: Result) -> str:
    """Give the one failure that there is, which must be told with its cure, and end the command with 1."""
    failures = findings(result, "failure")
    assert len(failures) == 1, result.output
    assert ". Cure: " in failures[0]
    assert result.exit_code == 1
    return failures[0]


def only_warning(result: Result) -> str:
    """Give the one warning that there is; it is no failure."""
    warnings = findings(result, "warning")
    assert len(warnings) == 1, result.output
    assert ". Cure: " in warnings[0]
    assert result.exit_code == 0, result.output
    return warnings[0]
