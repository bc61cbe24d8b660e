"""The register of broken adapters."""

from collections.abc import Callable

BROKEN: dict[str, tuple[type, str]] = {}
"""The fault's name: the class, and the test that must fail."""


def caught_by(test: str) -> Callable[[type], type]:
    def remember(cls: type) -> type:
        BROKEN[cls.__name__] = (cls, test)
        return cls

    return remember
