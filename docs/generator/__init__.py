"""The pages of `docs/` that are written by the code they describe; a test fails while one of them is stale.

python -m docs.generator      # or: nox -s docs -- --write
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.generator.command_line import command_line_page
from docs.generator.endpoints import endpoints_page
from docs.generator.metrics import metrics_page
from docs.generator.settings import settings_page

FOLDER: Final = Path(__file__).parent.parent
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": command_line_page,
    "endpoints.md": endpoints_page,
    "metrics.md": metrics_page,
    "settings.md": settings_page,
}


def write_pages() -> list[str]:
    """Write every page; return the names of those that were stale."""
    stale = []
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            stale.append(name)
    return stale
