"""The settings helper: typed values, and one line for what is wrong."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tempest_pds_plugins import InvalidSettings, Setting, setting
from tempest_pds_plugins.settings import declared, read


@dataclass(frozen=True)
class Example:
    bucket: str = setting("X_BUCKET", help="the bucket")
    key: str = setting("X_KEY", help="the key", secret=True)
    size: int = setting("X_SIZE", default=5, help="the size")
    wait: float = setting("X_WAIT", default=1.5, help="the wait")
    fast: bool = setting("X_FAST", default=False, help="the speed")
    path: Path | None = setting("X_PATH", default=None, help="the path")
    hosts: tuple[str, ...] = setting("X_HOSTS", default=("a", "b"), help="the hosts")
    pin: int | None = setting("X_PIN", default=None, help="the pin", secret=True)


NEEDED = {"X_BUCKET": "b", "X_KEY": "s3cr3t"}


def test_defaults_stand_in_for_what_is_not_set() -> None:
    assert read(Example, NEEDED) == Example(bucket="b", key="s3cr3t")


def test_values_get_their_types() -> None:
    values = {
        "X_SIZE": "7",
        "X_WAIT": "0.25",
        "X_FAST": "Yes",
        "X_PATH": "/x",
        "X_HOSTS": " c, d,,",
        "X_PIN": "12",
    }
    assert read(Example, NEEDED | values) == Example(
        bucket="b", key="s3cr3t", size=7, wait=0.25, fast=True, path=Path("/x"), hosts=("c", "d"), pin=12
    )


def test_empty_value_counts_as_not_set() -> None:
    assert read(Example, {**NEEDED, "X_SIZE": "", "X_PATH": "  "}) == read(Example, NEEDED)


def test_all_that_is_missing_is_told_in_one_line() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(Example, {"X_FAST": "perhaps", "X_BUCKET": ""})
    assert str(caught.value) == (
        "set X_BUCKET (the bucket); set X_KEY (the key); set X_FAST to true or false, not 'perhaps' (the speed)"
    )


def test_secret_is_shown_neither_in_errors_nor_by_repr() -> None:
    environment = {**NEEDED, "X_PIN": "hunter2"}
    with pytest.raises(InvalidSettings) as caught:
        read(Example, environment)
    assert str(caught.value) == "set X_PIN to a whole number (the pin)"
    # Whoever prints the traceback must not see it either.
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in repr(read(Example, NEEDED))


def test_declared_settings_are_listed_as_one_would_write_them() -> None:
    assert declared(Example)[:2] == (
        Setting("X_BUCKET", "text", None, secret=False, help="the bucket"),
        Setting("X_KEY", "text", None, secret=True, help="the key"),
    )
    assert [(entry.kind, entry.default) for entry in declared(Example)[2:]] == [
        ("whole number", "5"),
        ("number", "1.5"),
        ("true or false", "false"),
        ("path", ""),
        ("list", "a,b"),
        ("whole number", ""),
    ]


def test_dataclass_may_check_itself() -> None:
    @dataclass(frozen=True)
    class Port:
        port: int = setting("X_PORT", help="the port")

        def __post_init__(self) -> None:
            if self.port > 65_535:
                raise ValueError("set X_PORT to a port")

    with pytest.raises(InvalidSettings, match=r"^set X_PORT to a port$"):
        read(Port, {"X_PORT": "70000"})


def test_type_that_cannot_be_read_is_the_authors_error() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: Any = setting("X", help="x")

    with pytest.raises(TypeError):
        read(Odd, {"X": "1"})
