"""What tests share: providers that go with the test, and the server's log."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import metrics, trace


@pytest.fixture(autouse=True)
def providers(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Stand in for the process, whose providers can be set once: they are kept here, as `metrics` and `trace`."""
    kept: dict[str, object] = {}
    for api, kind in ((metrics, "meter"), (trace, "tracer")):
        name = api.__name__.rpartition(".")[2]
        original = getattr(api, f"get_{kind}_provider")
        monkeypatch.setattr(api, f"get_{kind}_provider", lambda name=name, found=original: kept.get(name) or found())
        monkeypatch.setattr(api, f"set_{kind}_provider", lambda made, name=name: kept.setdefault(name, made))
    return kept


class _Root(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines that reach the root logger, as the server's log has them; `caplog` sees others as well."""
    handler, root = _Root(), logging.getLogger()
    level = root.level
    # Other tests of the same process may have set up a log that tells less.
    root.setLevel(logging.WARNING)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)
