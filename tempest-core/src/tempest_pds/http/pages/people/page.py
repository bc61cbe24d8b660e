"""A route of the pages for people, and how one is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from blacksheep import Response

if TYPE_CHECKING:
    from tempest_pds.http.pages.people.visit import Visit

Handler = Callable[["Visit"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A route; each `*` in its path stands for one segment. A GET page answers HEAD too."""

    http_method: Literal["GET", "POST"]
    path: str
    handler: Handler


def people_page(http_method: Literal["GET", "POST"], path: str) -> Callable[[Handler], PeoplePage]:
    """Declare a page. A form that a POST comes with is known to be one of ours, submitted in the visiting browser."""

    def declare(handler: Handler) -> PeoplePage:
        return PeoplePage(http_method, path, handler)

    return declare
