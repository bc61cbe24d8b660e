"""Import the server and its libraries without what they do not need."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What our libraries look for and adapt to when they find it: structlog to rich (which brings pygments), BlackSheep to
# pydantic, uvicorn to a2wsgi. The server uses nothing of that; where it happens to be installed, it would cost a fifth
# of the start and 9 MiB.
_UNWANTED: Final = ("rich", "pydantic", "a2wsgi")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let what is imported in this block not find what the server never uses, and keep the collector out of it.

    Modules live for good: all the collector would do, now and later, is look at them again and again.
    """
    hidden = [name for name in _UNWANTED if name not in sys.modules]
    for name in hidden:
        # Python's own sign for a module that is not to be had.
        sys.modules[name] = None  # type: ignore[assignment]
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        for name in hidden:
            del sys.modules[name]
