"""Apps that prove who they are, and so may be answered without asking; and apps that say what they like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from authorizing import CHOOSE, CONSENT, SCOPE, SIGN_IN, answer_of, asked, granted, loopback, opened, signed_in
from browser import Browser
from tests.support.app_hosts import AppHosts, app_hosts, client_document, confidential
from whole_server import PASSWORD, User, WholeServer, whole_server

from tempest_pds.protocol.oauth.authorization_parameters import MAX_SCOPE_LENGTH
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.client_documents import ClientDocuments

KEY = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "one",
    "alg": "ES256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
SCOPES = {"scope": f"{SCOPE} identity:*"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppHosts]:
    async with app_hosts(tmp_path_factory.mktemp("hosts")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, hosts: AppHosts) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path_factory.mktemp("clients")) as started:
        clients: Any = started.services.oauth.clients
        clients._documents = ClientDocuments(hosts.fetch)
        yield started


@pytest.fixture
def app(request: pytest.FixtureRequest, hosts: AppHosts) -> str:
    """Publish a confidential client of this test's own, and give its id."""
    client_id = f"https://app.example.net/{abs(hash(request.node.name))}/client.json"
    hosts.publish(client_id, confidential(client_id, [KEY], **SCOPES))
    return client_id


def publish(hosts: AppHosts, name: str, **members: Any) -> str:
    client_id = f"https://{name}.example.net/client.json"
    hosts.publish(client_id, client_document(client_id, **{**SCOPES, **members}))
    return client_id


async def allowed(server: WholeServer, app: str, browser: Browser, **more: Any) -> None:
    await opened(server, app, browser, **more)
    answer_of(await browser.submit(CONSENT, decision="allow"))


async def silently(browser: Browser, app: str, **more: str) -> dict[str, str]:
    return answer_of(await browser.get(asked(app, prompt="none", **more))).values


async def test_a_silent_request_is_told_what_is_in_its_way(
    server: WholeServer, app: str, alice: User, bob: User
) -> None:
    assert (await silently(Browser(server.http), app))["error"] == "login_required"
    browser = await signed_in(server, alice)
    assert (await silently(browser, app))["error"] == "consent_required"
    await allowed(server, app, browser)
    assert (await silently(browser, app, max_age="0"))["error"] == "login_required"
    assert (await silently(browser, app, login_hint="bob.test"))["error"] == "login_required"
    assert (await silently(browser, app, scope=f"{SCOPE} identity:*"))["error"] == "consent_required"
    both = await signed_in(server, alice, bob)
    assert (await silently(both, app))["error"] == "account_selection_required"
    answer = answer_of(await both.get(asked(app, prompt="none", login_hint="alice.test")))
    assert granted(server, answer) == (alice.did, SCOPE)


async def test_an_app_that_signs_its_person_in_again_and_again_is_told_of_once_a_day(
    server: WholeServer, app: str, alice: User
) -> None:
    browser = await signed_in(server, alice)
    await allowed(server, app, browser)
    for _ in range(2):
        assert "code" in await silently(browser, app)
    events = server.services.security_events.list_for(Did(alice.did))
    assert [event.detail["client_id"] for event in events if event.kind == "app_authorized"].count(app) == 1


async def test_an_app_that_may_come_back_unseen_is_listed_and_can_be_kept_from_it(
    server: WholeServer, hosts: AppHosts, app: str
) -> None:
    grace = await server.sign_up("grace")
    browser = await signed_in(server, grace)
    await allowed(server, app, browser)
    # It would be asked about anew in any case.
    await allowed(server, publish(hosts, "anybody"), browser)
    apps = f"/account/{grace.did}/apps"
    await browser.get(apps)
    assert "It may sign in again without asking you." in browser.page.words
    assert "anybody.example.net" not in browser.page.words
    await browser.follow(await browser.submit(f"{apps}/revoke"))
    assert "app.example.net" not in browser.page.words
    assert (await silently(browser, app))["error"] == "consent_required"


async def test_with_a_new_password_every_app_has_to_be_allowed_anew(server: WholeServer, app: str) -> None:
    frank = await server.sign_up("frank")
    browser = await signed_in(server, frank)
    await allowed(server, app, browser)
    assert "code" in await silently(browser, app)
    await server.administer("com.atproto.admin.updateAccountPassword", {"did": frank.did, "password": PASSWORD})
    assert (await silently(await signed_in(server, frank), app))["error"] == "consent_required"


async def test_whoever_was_asked_before_is_passed_on_when_the_app_knows_them(
    server: WholeServer, app: str, alice: User
) -> None:
    browser = await signed_in(server, alice)
    await allowed(server, app, browser)
    answer = answer_of(await browser.get(asked(app, login_hint="alice.test")))
    assert granted(server, answer) == (alice.did, SCOPE)
    await opened(server, app, browser)
    assert "@alice.test" in browser.page.words
    answer = answer_of(await browser.submit(CHOOSE, account=alice.did))
    assert granted(server, answer) == (alice.did, SCOPE)


async def test_whoever_was_asked_before_is_asked_again_when_the_app_wants_it(
    server: WholeServer, app: str, alice: User
) -> None:
    browser = await signed_in(server, alice)
    await allowed(server, app, browser)
    for more in ({"prompt": "consent"}, {"scope": f"{SCOPE} identity:*"}):
        await opened(server, app, browser, login_hint="alice.test", **more)
        assert browser.answer.request.url.path == CONSENT


async def test_what_a_client_under_development_was_allowed_is_not_remembered(
    server: WholeServer, alice: User, app: str
) -> None:
    browser, granted = await signed_in(server, alice), server.services.oauth.consents.granted
    for client_id, remembered in ((loopback(), False), (app, True)):
        await allowed(server, client_id, browser)
        assert (granted(Did(alice.did), client_id) is not None) is remembered


async def test_a_client_does_not_hear_which_address_a_person_comes_from(
    server: WholeServer, alice: User, app: str
) -> None:
    browser = await opened(server, app, await signed_in(server, alice))
    headers = (await browser.submit(CONSENT, decision="allow")).headers
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")


async def test_what_was_unticked_is_asked_for_again(server: WholeServer, app: str, alice: User) -> None:
    browser = await signed_in(server, alice)
    await opened(server, app, browser)
    fields = {name: value for name, value in browser.page.form(CONSENT).fields.items() if "email" not in name}
    answer_of(await browser.post(CONSENT, {**fields, "decision": "allow"}))
    await opened(server, app, browser, login_hint="alice.test")
    assert "See your e-mail address" in browser.page.words


async def test_after_a_fresh_sign_in_the_known_app_has_its_answer(server: WholeServer, app: str, alice: User) -> None:
    browser = await signed_in(server, alice)
    await allowed(server, app, browser)
    await opened(server, app, browser, prompt="login")
    assert browser.page.form(SIGN_IN).fields["identifier"] == "alice.test"
    answer = answer_of(await browser.submit(SIGN_IN, password=PASSWORD))
    assert granted(server, answer) == (alice.did, SCOPE)


async def test_a_name_is_shown_beside_the_host_that_it_comes_from(server: WholeServer, hosts: AppHosts) -> None:
    app = publish(
        hosts,
        "evil",
        client_name="Blue\u202esky <b>of ficial</b>\n" + "x" * 100,
        logo_uri="https://evil.example.net/logo.png",
        policy_uri="https://evil.example.net/privacy",
    )
    browser = await opened(server, app)
    assert "Blue sky <b>of ficial</b> x" in browser.page.words
    assert "\u202e" not in browser.answer.text
    assert "x" * 50 not in browser.answer.text
    assert "evil.example.net" in browser.page.words
    assert "The name is what the app calls itself." in browser.page.words
    assert "logo.png" not in browser.answer.text


async def test_an_app_that_answers_elsewhere_is_shown_with_that_place(
    server: WholeServer, hosts: AppHosts, alice: User
) -> None:
    app = publish(hosts, "away", redirect_uris=["https://elsewhere.example.net/back"])
    browser = await opened(server, app, await signed_in(server, alice))
    assert "You are taken to elsewhere.example.net afterwards." in browser.page.words
    assert "form-action 'self' https:;" in browser.answer.headers["content-security-policy"]


async def test_a_form_may_lead_to_an_app_on_the_device(server: WholeServer, hosts: AppHosts, alice: User) -> None:
    app = publish(hosts, "phone", application_type="native", redirect_uris=["net.example.phone:/back"])
    browser = await opened(server, app, await signed_in(server, alice))
    assert "form-action 'self' net.example.phone:;" in browser.answer.headers["content-security-policy"]
    answer = answer_of(await browser.submit(CONSENT, decision="allow"))
    assert answer.address == "net.example.phone:/back"


async def test_links_of_an_app_open_beside_the_page_and_are_told_nothing(
    server: WholeServer, hosts: AppHosts, alice: User
) -> None:
    app = publish(
        hosts, "links", policy_uri="https://links.example.net/privacy", tos_uri="https://links.example.net/terms"
    )
    browser = await opened(server, app, await signed_in(server, alice))
    links = [link for link in browser.page.all("a") if "links.example.net" in link["href"]]
    assert [link["href"] for link in links] == ["https://links.example.net/privacy", "https://links.example.net/terms"]
    assert {(link["rel"], link["target"]) for link in links} == {("noopener noreferrer nofollow", "_blank")}


async def test_an_app_whose_document_is_not_to_be_had_is_explained(server: WholeServer) -> None:
    browser = Browser(server.http)
    assert (await browser.get(asked("https://nothing.example.net/client.json"))).status_code == 400
    assert "The app cannot be recognized" in browser.page.words


async def test_all_that_may_be_asked_for_can_be_allowed(server: WholeServer, hosts: AppHosts, alice: User) -> None:
    scope = "atproto " + " ".join(f"repo:a.b.c{number}" for number in range(1000))
    scope = scope[:MAX_SCOPE_LENGTH].rpartition(" ")[0]
    wants_much = publish(hosts, "much", scope=scope)
    browser = await signed_in(server, alice)
    await opened(server, wants_much, browser, scope=scope)
    assert granted(server, answer_of(await browser.submit(CONSENT, decision="allow"))) == (alice.did, scope)
