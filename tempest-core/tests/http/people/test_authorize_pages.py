"""The pages of an authorization, as a browser without scripts goes through them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import pytest
from authorizing import (
    AUTHORIZE,
    CHOOSE,
    CONSENT,
    SCOPE,
    SIGN_IN,
    SIGN_UP,
    Answer,
    answer_of,
    asked,
    granted,
    let_expire,
    loopback,
    opened,
    signed_in,
)
from browser import Browser
from pyotp import TOTP
from whole_server import PASSWORD, User, WholeServer

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.sign_in import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


def form_action(browser: Browser) -> str:
    found = re.search(r"form-action ([^;]*)", browser.answer.headers["content-security-policy"])
    assert found is not None
    return found[1]


def place(browser: Browser) -> str:
    return str(browser.answer.request.url.path)


# The way through


async def test_a_stranger_signs_in_reads_what_the_app_wants_and_allows_it(server: WholeServer, alice: User) -> None:
    browser = await opened(server)
    assert place(browser) == SIGN_IN
    assert "The app does not see it." in browser.page.words
    await browser.follow(await browser.submit(SIGN_IN, identifier="@Alice.test", password=PASSWORD))
    assert place(browser) == CONSENT
    assert "@alice.test" in browser.page.words
    assert "Do nearly everything that you can do" in browser.page.words
    answer = answer_of(await browser.submit(CONSENT, decision="allow"))
    assert answer.address == "http://127.0.0.1/back"
    assert answer.values.keys() == {"code", "state", "iss"}
    assert (answer.values["state"], answer.values["iss"]) == ("a b&c", "http://localhost:4000")
    assert granted(server, answer) == (alice.did, SCOPE)


async def test_the_name_alone_signs_in_on_the_way_too(server: WholeServer, alice: User) -> None:
    browser = await opened(server)
    await browser.follow(
        await browser.submit(SIGN_IN, identifier=alice.handle.removesuffix(".test"), password=PASSWORD)
    )
    assert place(browser) == CONSENT


async def test_what_is_unticked_is_not_granted(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    fields = dict(browser.page.form(CONSENT).fields)
    assert fields.pop("allow transition:generic") == "yes"
    answer = answer_of(await browser.post(CONSENT, {**fields, "decision": "allow"}))
    assert granted(server, answer) == (alice.did, "atproto transition:email")


@pytest.mark.parametrize(("language", "allow"), [("de", "Erlauben"), ("fr", "Autoriser")])
async def test_a_choice_of_the_language_keeps_the_ticks(
    server: WholeServer, alice: User, language: str, allow: str
) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    assert "/account/language" not in [form.action for form in browser.page.forms]
    [button] = [button for button in browser.page.all("button") if button.get("value") == language]
    assert (button["name"], button["form"]) == ("language", browser.page.all("form")[0]["id"])
    fields = dict(browser.page.form(CONSENT).fields)
    del fields["allow transition:generic"]
    answer = await browser.post(CONSENT, {**fields, "language": language})
    assert answer.status_code == 200
    assert browser.page.all("html")[0]["lang"] == language
    assert allow in browser.page.words
    assert {name for name in browser.page.form(CONSENT).fields if name.startswith("allow ")} == {
        "allow transition:email"
    }
    assert granted(server, answer_of(await browser.submit(CONSENT, decision="allow"))) == (
        alice.did,
        "atproto transition:email",
    )
    await browser.get(f"/account/{alice.did}")
    assert browser.page.all("html")[0]["lang"] == language


async def test_nothing_is_said_of_ticks_where_there_are_none(server: WholeServer, alice: User) -> None:
    words = "Take away the tick"
    browser = await opened(server, browser=await signed_in(server, alice))
    assert words in browser.page.words
    await opened(server, browser=browser, scope="atproto")
    assert place(browser) == CONSENT
    assert words not in browser.page.words


async def test_what_is_not_understood_is_shown_and_not_granted(server: WholeServer, alice: User) -> None:
    scope = "atproto repo:not-a-nsid foo:bar"
    browser = await opened(server, loopback(scope), await signed_in(server, alice), scope=scope)
    _, _, unknown = browser.page.words.partition("Scopes that are not understood here, and not granted")
    assert unknown.split()[:2] == ["repo:not-a-nsid", "foo:bar"]
    assert granted(server, answer_of(await browser.submit(CONSENT, decision="allow"))) == (alice.did, "atproto")


async def test_an_app_in_development_is_told_by_its_address(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    assert "An app in development" in browser.page.words
    assert "Address of the app: http://127.0.0.1/back" in browser.page.words


async def test_no_form_grants_more_than_was_asked_for(server: WholeServer, alice: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice), scope="atproto")
    more = {"allow transition:generic": "yes", "allow atproto": "yes", "allow identity:*": "yes"}
    assert granted(server, answer_of(await browser.submit(CONSENT, None, decision="allow", **more))) == (
        alice.did,
        "atproto",
    )


@pytest.mark.parametrize("decision", ["deny", "", "Allow"])
async def test_who_does_not_allow_is_taken_back_with_nothing(server: WholeServer, alice: User, decision: str) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    answer = answer_of(await browser.submit(CONSENT, decision=decision))
    assert answer.values["error"] == "access_denied"
    assert (answer.values["state"], answer.values["iss"]) == ("a b&c", "http://localhost:4000")


async def test_who_does_not_want_to_sign_in_is_taken_back(server: WholeServer) -> None:
    browser = await opened(server)
    assert answer_of(await browser.submit(f"{AUTHORIZE}/cancel")).values["error"] == "access_denied"


async def test_a_wrong_password_is_told_on_the_form_and_then_the_right_one_goes_on(
    server: WholeServer, alice: User
) -> None:
    browser = await opened(server)
    answer = await browser.submit(SIGN_IN, identifier="alice.test", password="wrong")
    assert answer.status_code == 403
    assert "The name or the password is wrong." in browser.page.words
    assert browser.page.form(SIGN_IN).fields["identifier"] == "alice.test"
    await browser.follow(await browser.submit(SIGN_IN, password=PASSWORD))
    assert place(browser) == CONSENT


async def test_an_account_is_opened_on_the_way(server: WholeServer) -> None:
    browser = await opened(server, prompt="create")
    assert place(browser) == SIGN_UP
    given = {"name": "carol", "email": "carol@example.com", "password": PASSWORD}
    await browser.submit(SIGN_UP, None, **{**given, "name": "x"})
    assert browser.answer.status_code == 400
    assert browser.page.form(SIGN_UP).fields["email"] == "carol@example.com"
    await browser.follow(await browser.submit(SIGN_UP, None, **given))
    assert "@carol.test" in browser.page.words
    assert "code" in answer_of(await browser.submit(CONSENT, decision="allow")).values


async def test_a_second_factor_is_asked_for_on_the_way(server: WholeServer) -> None:
    guarded = await server.sign_up("guarded")
    visitor = Visitor(client_ip="127.0.0.1")
    new = await server.services.enrolment.begin_app(Did(guarded.did), visitor)
    codes = await server.services.enrolment.confirm_app(Did(guarded.did), TOTP(new.secret).now(), visitor)
    browser = await opened(server)
    await browser.submit(SIGN_IN, identifier="guarded.test", password=PASSWORD, remember="yes")
    factor = f"{AUTHORIZE}/factor"
    assert form_action(browser) == "'self' http:"
    await browser.submit(factor, code="000000")
    assert "That was not right. Please try again." in browser.page.words
    await browser.follow(await browser.submit(factor, code=codes[0]))
    assert place(browser) == CONSENT
    assert "@guarded.test" in browser.page.words


async def test_who_is_asked_for_a_second_factor_starts_over_or_goes_back_to_the_app(server: WholeServer) -> None:
    careful = await server.sign_up("careful")
    visitor = Visitor(client_ip="127.0.0.1")
    new = await server.services.enrolment.begin_app(Did(careful.did), visitor)
    await server.services.enrolment.confirm_app(Did(careful.did), TOTP(new.secret).now(), visitor)
    browser = await opened(server)
    await browser.submit(SIGN_IN, identifier="careful.test", password=PASSWORD)
    [again] = [link["href"] for link in browser.page.all("a") if link["href"].startswith(SIGN_IN)]
    assert (await browser.get(again)).status_code == 200
    await browser.submit(SIGN_IN, identifier="careful.test", password=PASSWORD)
    assert answer_of(await browser.submit(f"{AUTHORIZE}/cancel")).values["error"] == "access_denied"


# Who it is


async def test_whoever_has_several_accounts_chooses(server: WholeServer, alice: User, bob: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice, bob))
    assert place(browser) == CHOOSE
    assert [button["value"] for button in browser.page.all("button") if button.get("name") == "account"] == [
        bob.did,
        alice.did,
    ]
    await browser.follow(await browser.submit(CHOOSE, account=alice.did))
    assert granted(server, answer_of(await browser.submit(CONSENT, decision="allow"))) == (alice.did, SCOPE)


async def test_nobody_chooses_an_account_that_is_not_signed_in(server: WholeServer, alice: User, bob: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    fields = browser.page.form(CONSENT).fields
    answer = await browser.post(CONSENT, {**fields, "account": bob.did, "decision": "allow"})
    assert answer.headers["location"].startswith(f"{AUTHORIZE}/resume")
    answer = await browser.post(CHOOSE, {**fields, "account": bob.did})
    assert answer.headers["location"].startswith(SIGN_IN)


async def test_the_account_that_the_app_expects_is_the_one_to_sign_in_to(server: WholeServer, alice: User) -> None:
    browser = await opened(server, login_hint="alice.test")
    assert browser.page.form(SIGN_IN).fields["identifier"] == "alice.test"
    await browser.submit(SIGN_IN, password="wrong")
    assert browser.page.form(SIGN_IN).fields["identifier"] == "alice.test"
    await browser.follow(await browser.submit(SIGN_IN, password=PASSWORD))
    assert "The app expects another account" not in browser.page.words


async def test_whose_password_is_wanted_is_read_out_with_its_field(server: WholeServer, alice: User) -> None:
    browser = await opened(server, login_hint="alice.test")
    [password] = [given for given in browser.page.all("input") if given.get("type") == "password"]
    assert password["aria-describedby"] == "whose"
    assert 'id="whose">Your account: <strong>@alice.test<' in browser.page.text


async def test_the_expected_account_is_taken_of_several(server: WholeServer, alice: User, bob: User) -> None:
    browser = await opened(server, browser=await signed_in(server, alice, bob), login_hint=alice.did)
    assert place(browser) == CONSENT
    assert "@alice.test" in browser.page.words


async def test_whoever_signs_in_with_another_account_is_told_that_it_is_another(
    server: WholeServer, alice: User, bob: User
) -> None:
    browser = await opened(server, browser=await signed_in(server, bob), login_hint="alice.test")
    assert place(browser) == SIGN_IN
    [other] = [link["href"] for link in browser.page.all("a") if link["href"].startswith(CHOOSE)]
    await browser.get(other)
    await browser.follow(await browser.submit(CHOOSE, account=bob.did))
    assert "The app expects another account: alice.test." in browser.page.words


async def test_an_account_that_was_deactivated_is_not_granted(server: WholeServer) -> None:
    away = await server.sign_up("away")
    browser = await signed_in(server, away)
    await away.post("com.atproto.server.deactivateAccount", {})
    await opened(server, browser=browser)
    assert "No app can use @away.test before you activate it again." in browser.page.words
    assert answer_of(await browser.submit(f"{AUTHORIZE}/cancel")).values["error"] == "access_denied"


async def test_an_account_that_was_taken_down_is_told_so_who_knows_its_password(server: WholeServer) -> None:
    down = await server.sign_up("down")
    await server.take_down(down)
    browser = await opened(server)
    await browser.submit(SIGN_IN, identifier="down.test", password=PASSWORD)
    assert "This account has been taken down by the moderators of this server." in browser.page.words
    await browser.submit(SIGN_IN, identifier="down.test", password="wrong")
    assert "The name or the password is wrong." in browser.page.words


# What the client says


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


# What goes wrong


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


async def test_what_an_app_was_allowed_is_noted_for_the_owner(server: WholeServer) -> None:
    erin = await server.sign_up("erin")
    browser = await opened(server, browser=await signed_in(server, erin))
    await browser.submit(CONSENT, decision="allow")
    events = server.services.security_events.list_for(Did(erin.did))
    assert [event.kind for event in events][:2] == ["app_authorized", "signed_in"]
    assert loopback() in events[0].detail.values()
