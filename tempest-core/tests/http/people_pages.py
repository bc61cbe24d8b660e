"""All the pages for people, and a person at them."""

from __future__ import annotations

import httpx
from browser import Browser
from whole_server import PASSWORD, User

from tempest_pds.http.pages.people.all_pages import PAGES

COOKIE = "tempest-browser"
SIGN_IN = "/account/sign-in"
# What the pages of an authorization need is for their own tests.
OURS = [page for page in PAGES if page.path.startswith("/account")]
FORMS = sorted({page.path for page in OURS if page.http_method == "POST"})
VIEWS = sorted({page.path for page in OURS if page.http_method == "GET"})
OF_ACCOUNTS = "/account/*"


async def sign_in(browser: Browser, user: User, remember: str = "no") -> httpx.Response:
    await browser.get(SIGN_IN)
    return await browser.submit(SIGN_IN, identifier=user.handle, password=PASSWORD, remember=remember)


async def is_signed_in(browser: Browser, user: User) -> bool:
    return (await browser.get(f"/account/{user.did}")).status_code == 200


async def token_of(browser: Browser) -> str:
    await browser.get(SIGN_IN)
    return browser.page.form(SIGN_IN).fields["form_token"]


def path_for(pattern: str, user: User) -> str:
    return pattern.replace("*", user.did)
