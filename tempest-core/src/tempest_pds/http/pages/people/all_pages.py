"""Every page for people."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.pages.people import (
    app_passwords,
    apps,
    devices,
    email,
    home,
    leaving,
    password,
    profile,
    reset_password,
    security,
    sign_in,
    sign_up,
)
from tempest_pds.http.pages.people.authorize.all_pages import PAGES as AUTHORIZE_PAGES
from tempest_pds.http.pages.people.factors import app, confirm, passkeys, second_factor
from tempest_pds.http.pages.people.page import PeoplePage

PAGES: Final[tuple[PeoplePage, ...]] = (
    *home.PAGES,
    *AUTHORIZE_PAGES,
    *sign_in.PAGES,
    *sign_up.PAGES,
    *reset_password.PAGES,
    *profile.PAGES,
    *email.PAGES,
    *password.PAGES,
    *devices.PAGES,
    *apps.PAGES,
    *app_passwords.PAGES,
    *security.PAGES,
    *leaving.PAGES,
    *confirm.PAGES,
    *second_factor.PAGES,
    *app.PAGES,
    *passkeys.PAGES,
)
