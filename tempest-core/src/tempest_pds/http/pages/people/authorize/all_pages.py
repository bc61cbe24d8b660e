"""Every page of an authorization."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.pages.people.authorize.choosing import cancel, choose, show_choice
from tempest_pds.http.pages.people.authorize.consenting import answer, ask
from tempest_pds.http.pages.people.authorize.signing_in import give_factor, show_sign_in, sign_in
from tempest_pds.http.pages.people.authorize.signing_up import show_sign_up, sign_up
from tempest_pds.http.pages.people.authorize.start import resume, start
from tempest_pds.http.pages.people.page import PeoplePage

PAGES: Final[tuple[PeoplePage, ...]] = (
    start,
    resume,
    show_choice,
    choose,
    cancel,
    show_sign_in,
    sign_in,
    give_factor,
    show_sign_up,
    sign_up,
    ask,
    answer,
)
