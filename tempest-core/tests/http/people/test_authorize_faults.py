"""What goes wrong on the way to an app, and who is told."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from authorizing import (
    AUTHORIZE,
    CHOOSE,
    CONSENT,
    SCOPE,
    SIGN_IN,
    SIGN_UP,
    answer_of,
    asked,
    granted,
    let_expire,
    loopback,
    opened,
    place,
    signed_in,
)
from browser import Browser
from whole_server import PASSWORD, User, WholeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("", "The app asked for something that it cannot have"),
        ("client_id=x", "The app cannot be recognized"),
        ("client_id=http://localhost&redirect_uri=https://evil.example/", "The app asked for something"),
        ("client_id=http://localhost&request_uri=urn:ietf:params:oauth:request_uri:x", "This sign-in cannot go on"),
        ("client_id=http://localhost&client_id=x", "The app asked for something"),
    ],
)
async def test_nobody_is_redirected_before_it_is_known_where_to(server: WholeServer, query: str, title: str) -> None:
    browser = Browser(server.http)
    answer = await browser.get(f"{AUTHORIZE}?{query}")
    assert answer.status_code == 400
    assert title in browser.page.words
    assert "Please go back to the app" in browser.page.words


async def test_an_error_of_the_client_is_taken_to_it_by_the_person(server: WholeServer) -> None:
    browser = Browser(server.http)
    asking = asked(loopback(), scope="atproto identity:*")
    assert (await browser.get(asking)).status_code == 400
    assert "The app asked for something that it cannot have" in browser.page.words
    [back] = [link["href"] for link in browser.page.all("a") if link.get("class") == "button"]
    address, _, values = back.partition("?")
    assert (address, dict(parse_qsl(values))["error"]) == ("http://127.0.0.1/back", "invalid_scope")
    await browser.get(f"{asking}&response_mode=form_post")
    form = browser.page.form("http://127.0.0.1/back")
    assert (form.method, form.fields["error"]) == ("post", "invalid_scope")


async def test_an_error_goes_by_itself_to_a_client_that_wants_no_person_to_be_asked(server: WholeServer) -> None:
    answer = answer_of(await Browser(server.http).get(asked(loopback(), scope="atproto identity:*", prompt="none")))
    assert (answer.address, answer.values["error"]) == ("http://127.0.0.1/back", "invalid_scope")


async def test_going_back_reloading_and_submitting_twice_do_no_harm(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    page = str(browser.answer.request.url)
    for _ in range(2):
        assert (await browser.get(page)).status_code == 200
    fields = {**browser.page.form(CONSENT).fields, "decision": "allow"}
    first = answer_of(await browser.post(CONSENT, fields))
    for response in (await browser.post(CONSENT, fields), await browser.get(page)):
        assert response.status_code == 400
        assert "This sign-in cannot go on" in browser.page.words
    assert granted(server, first) == (alice.did, SCOPE)


async def test_a_request_that_took_too_long_is_over_for_the_app_and_explained_to_the_person(
    server: WholeServer,
) -> None:
    browser = await opened(server)
    page = str(browser.answer.request.url)
    let_expire(server)
    answer = answer_of(await browser.get(page))
    assert (answer.address, answer.values["error"]) == ("http://127.0.0.1/back", "access_denied")
    assert (await browser.get(page)).status_code == 400
    assert "Please go back to the app, and begin to sign in again." in browser.page.words


async def test_a_request_is_not_to_be_answered_in_another_browser(server: WholeServer, alice: User) -> None:
    begun = await opened(server)
    other = await signed_in(server, alice)
    request = begun.page.form(SIGN_IN).fields["request"]
    for path in (SIGN_IN, CHOOSE, CONSENT, SIGN_UP, f"{AUTHORIZE}/resume"):
        assert (await other.get(f"{path}?{urlencode({'request': request})}")).status_code == 400
    assert (await begun.get(f"{SIGN_IN}?{urlencode({'request': request})}")).status_code == 200


async def test_signing_in_in_another_tab_keeps_what_is_under_way(server: WholeServer, alice: User) -> None:
    browser = await opened(server)
    under_way = browser.page.form(SIGN_IN).fields["request"]
    await browser.get("/account/sign-in")
    await browser.submit("/account/sign-in", identifier="alice.test", password=PASSWORD)
    await browser.follow(await browser.get(f"{AUTHORIZE}/resume?{urlencode({'request': under_way})}"))
    assert "code" in answer_of(await browser.submit(CONSENT, decision="allow")).values


@pytest.mark.parametrize("path", [SIGN_IN, SIGN_UP, CHOOSE, f"{AUTHORIZE}/cancel", f"{AUTHORIZE}/factor"])
async def test_a_form_that_another_tab_has_made_too_old_leads_back_to_what_is_under_way(
    server: WholeServer, alice: User, path: str
) -> None:
    browser = await opened(server)
    fields = browser.page.form(SIGN_IN).fields
    await browser.get("/account/sign-in")
    await browser.submit("/account/sign-in", identifier="alice.test", password=PASSWORD)
    assert (await browser.post(path, fields)).status_code == 403
    [way_back] = [link["href"] for link in browser.page.all("a") if link["href"].startswith(AUTHORIZE)]
    await browser.follow(await browser.get(way_back))
    assert place(browser) == CONSENT


async def test_a_forgotten_password_leads_back_to_the_app(server: WholeServer) -> None:
    browser = await opened(server)
    [link] = [link["href"] for link in browser.page.all("a") if link["href"].startswith("/account/reset-password")]
    await browser.get(link)
    await browser.follow(await browser.submit("/account/reset-password", email="nobody@example.com"))
    back = browser.page.form("/account/reset-password/code").fields["next"]
    await browser.follow(await browser.get(back))
    assert place(browser) == SIGN_IN


async def test_a_form_without_its_token_does_nothing(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    fields = {**browser.page.form(CONSENT).fields, "decision": "allow", "form_token": "x"}
    assert (await browser.post(CONSENT, fields)).status_code == 403
