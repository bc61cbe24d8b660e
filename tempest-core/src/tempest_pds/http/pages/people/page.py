"""A route of the pages for people, and how one is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from blacksheep import Response

if TYPE_CHECKING:
    from tempest_pds.http.pages.people.visit import Visit

Handler = Callable[["Visit"], Awaitable[Response]]
WayBack = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A route; each `*` in its path stands for one segment. A GET page answers HEAD too.

    Attributes:
        way_back: where a form leads back to, by its fields, when that is not the page at the path, or above it. They
            may be anybody's: the form may be one that is not taken.
    """

    http_method: Literal["GET", "POST"]
    path: str
    handler: Handler
    way_back: WayBack | None = None


def people_page(
    http_method: Literal["GET", "POST"], path: str, way_back: WayBack | None = None
) -> Callable[[Handler], PeoplePage]:
    """Declare a page. A form that a POST comes with is known to be one of ours, submitted in the visiting browser."""

    def declare(handler: Handler) -> PeoplePage:
        return PeoplePage(http_method, path, handler, way_back)

    return declare
