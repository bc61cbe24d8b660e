"""What an app says of how a person is to be asked, and how it wants to be answered."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from authorizing import (
    AUTHORIZE,
    CHOOSE,
    CONSENT,
    SCOPE,
    SIGN_IN,
    Answer,
    answer_of,
    asked,
    form_action,
    granted,
    loopback,
    opened,
    place,
    signed_in,
)
from whole_server import PASSWORD, User, WholeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_public_client_is_never_answered_silently(server: WholeServer, alice: User) -> None:
    browser = await signed_in(server, alice)
    assert answer_of(await browser.get(asked(loopback(), prompt="none"))).values["error"] == "consent_required"
    for _ in range(2):
        await opened(server, browser=browser, login_hint="alice.test")
        assert place(browser) == CONSENT
        await browser.submit(CONSENT, decision="allow")


@pytest.mark.parametrize("wish", [{"max_age": "0"}, {"prompt": "login"}])
async def test_the_password_is_wanted_anew_where_the_app_says_so(
    server: WholeServer, alice: User, wish: dict[str, str]
) -> None:
    browser = await opened(server, browser=await signed_in(server, alice), **wish)
    assert place(browser) == SIGN_IN
    consent = f"{CONSENT}?{urlencode({'request': browser.page.form(SIGN_IN).fields['request'], 'account': alice.did})}"
    assert (await browser.get(consent)).headers["location"].startswith(f"{AUTHORIZE}/resume")
    await browser.follow(browser.answer)
    await browser.follow(browser.answer)
    assert browser.page.form(SIGN_IN).fields["identifier"] == "alice.test"
    await browser.follow(await browser.submit(SIGN_IN, password=PASSWORD))
    assert place(browser) == CONSENT


async def test_a_public_client_has_the_account_chosen(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice), prompt="select_account")
    assert place(browser) == CHOOSE
    await browser.follow(await browser.submit(CHOOSE, account=alice.did))
    assert place(browser) == CONSENT


async def test_pages_speak_the_language_that_the_app_asks_for(server: WholeServer) -> None:
    browser = await opened(server, ui_locales="xx de-AT en")
    assert browser.page.all("html")[0]["lang"] == "de"
    assert "Passwort" in browser.page.words


async def test_an_answer_may_be_a_fragment(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice), response_mode="fragment")
    answer = answer_of(await browser.submit(CONSENT, decision="allow"), "#")
    assert answer.address == "http://127.0.0.1/back"
    assert answer.values.keys() == {"code", "state", "iss"}


async def test_an_answer_may_be_a_form_that_works_without_scripts(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice), response_mode="form_post")
    response = await browser.submit(CONSENT, decision="allow")
    assert response.status_code == 200
    form = browser.page.form("http://127.0.0.1/back")
    assert form.method == "post"
    assert granted(server, Answer(form.action, form.fields)) == (alice.did, SCOPE)
    assert form.fields.keys() == {"code", "state", "iss"}
    assert form_action(browser) == "'self' http:"
    assert "script-src 'sha256-" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:8080/back?x=1", "http://[::1]:8080/back"])
async def test_a_form_may_lead_to_the_client_and_to_where_it_leads(
    server: WholeServer, alice: User, redirect_uri: str
) -> None:
    client_id = loopback(redirect_uri=redirect_uri)
    browser = await opened(server, client_id)
    assert form_action(browser) == "'self' http:"
    await browser.follow(await browser.submit(SIGN_IN, identifier="alice.test", password=PASSWORD))
    assert form_action(browser) == "'self' http:"
    location = (await browser.submit(CONSENT, decision="allow")).headers["location"]
    assert location.startswith(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}iss=")
