"""Every page for people."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.pages.people import home
from tempest_pds.http.pages.people.page import PeoplePage

PAGES: Final[tuple[PeoplePage, ...]] = (*home.PAGES,)
