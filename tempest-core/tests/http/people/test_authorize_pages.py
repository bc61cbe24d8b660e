"""The pages of an authorization, as a browser without scripts goes through them."""

from __future__ import annotations

import pytest
from authorizing import (
    AUTHORIZE,
    CHOOSE,
    CONSENT,
    SCOPE,
    SIGN_IN,
    SIGN_UP,
    answer_of,
    form_action,
    granted,
    loopback,
    opened,
    place,
    signed_in,
)
from pyotp import TOTP
from whole_server import PASSWORD, User, WholeServer

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.sign_in import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_what_an_app_was_allowed_is_noted_for_the_owner(server: WholeServer) -> None:
    erin = await server.sign_up("erin")
    browser = await opened(server, browser=await signed_in(server, erin))
    await browser.submit(CONSENT, decision="allow")
    events = server.services.security_events.list_for(Did(erin.did))
    assert [event.kind for event in events][:2] == ["app_authorized", "signed_in"]
    assert loopback() in events[0].detail.values()
