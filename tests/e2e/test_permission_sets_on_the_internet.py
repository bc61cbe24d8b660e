"""Permission sets, from the DNS of their publisher to what an app may do with them, with all protection on.

The app is @atproto/oauth-client-node from npm, unchanged. Each test has a set of its own, which nobody has asked for
before; a set is asked for anew once a server was started anew.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page
from tests.support.account import Account
from tests.support.lexicon_authority import LexiconAuthority
from tests.support.oauth_app import AppFailed, OAuthApp
from tests.support.oauth_internet import APP, HOSTS, OAuthInternet, document
from tests.support.oauth_pages import PHONE, Walk, open_chromium
from tests.support.oauth_person import Person, ReferencePerson, TempestPerson

DOMAIN, GROUP = "calendar.example.edu", "edu.example.calendar"
EVENT, NOTE, ASK, OTHER = (f"{GROUP}.{name}" for name in ("event", "note", "getEvents", "getNotes"))
API = "api.example.edu"
SERVICE = f"did:web:{API}#calendar"
NAMES = ("authBasic", "authGrowing", "authShrinking", "authLost", "authOut", "authSilent", "authBroken")
SCOPES = {name: f"include:{GROUP}.{name}?aud={quote(SERVICE, safe=':')}" for name in NAMES}
IN_GERMAN, TEXTS = "Deine Termine ansehen und eintragen.", {"title": "Calendar", "detail": "See and add your events."}
TEXTS_BY_LANGUAGE = {"title:lang": {"de": "Kalender"}, "detail:lang": {"de": IN_GERMAN}}
CALLBACK = f"https://{APP}/callback.html"
DENIED, LET_IN = (403, "ScopeMissingError"), (200, None)


def repo(*collections: str, **more: Any) -> dict[str, Any]:
    return {"type": "permission", "resource": "repo", "collection": list(collections), **more}


def rpc(*methods: str) -> dict[str, Any]:
    return {"type": "permission", "resource": "rpc", "lxm": list(methods), "inheritAud": True}


@dataclass
class Scene:
    """A server, somebody with an account there, an app, and who publishes the sets that it asks for."""

    internet: OAuthInternet
    which: str
    account: Account
    authority: LexiconAuthority
    app: OAuthApp
    said: dict[str, Any]
    folder: Path
    asked: str = field(default="")

    @property
    def is_reference(self) -> bool:
        return self.which == "reference"

    def person(self) -> Person:
        return (ReferencePerson if self.is_reference else TempestPerson)(self.account, self.internet.http)

    def ask(self, name: str, app: OAuthApp | None = None) -> str:
        """Have the app ask for a set, and return where it sends its person."""
        return (app or self.app).authorize(self.account.handle, scope=f"atproto {SCOPES[name]}")

    def sign_in(self, name: str) -> None:
        self.app.callback(self.person().approve(self.ask(name)))

    def refresh(self) -> str:
        """Have the app refresh, and return what it has by then."""
        self.app.ask("restore", did=self.account.did, refresh=True)
        stored: dict[str, Any] = self.app.ask("stored", did=self.account.did)
        return " ".join(sorted(stored["tokenSet"]["scope"].split()))

    def write(self, *collections: str, app: OAuthApp | None = None, **write: Any) -> tuple[int, str | None]:
        """Have records written in one batch."""
        kind = "com.atproto.repo.applyWrites"
        writes = [
            {"$type": f"{kind}#create", "collection": name, "value": {"$type": name}, **write} for name in collections
        ]
        body = {"repo": self.account.did, "writes": writes}
        return self.fetch(f"/xrpc/{kind}", method="POST", body=body, app=app)

    def fetch(self, path: str, app: OAuthApp | None = None, **rest: Any) -> tuple[int, str | None]:
        status, body = (app or self.app).fetch(self.account.did, path, **rest)
        return status, body.get("error")

    def call(self, method: str, service: str = SERVICE) -> tuple[int, str | None]:
        """Have a method of another service called."""
        return self.fetch(f"/xrpc/{method}", headers={"atproto-proxy": service})

    def start_anew(self) -> None:
        """Have the server ask publishers anew."""
        server = self.internet.servers[self.which]
        server.stop()
        if self.is_reference:
            # It remembers them in its database, for five minutes.
            with sqlite3.connect(server.folder / "account.sqlite") as database:
                database.execute("UPDATE lexicon SET updatedAt = '2020-01-01T00:00:00.000Z'")
            database.close()
        server.start()


@pytest.fixture(scope="module", params=[pytest.param("reference", marks=pytest.mark.long), "tempest"])
def scene(
    request: pytest.FixtureRequest, oauth_internet: OAuthInternet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    which, folder = request.param, tmp_path_factory.mktemp("sets")
    said = document(f"sets-{which}.json", scope=" ".join(("atproto", *SCOPES.values())), redirect_uris=[CALLBACK])
    oauth_internet.publish("callback.html", "<!doctype html><title>The app</title><p>Here you are.")
    oauth_internet.publish(f"sets-{which}.json", said)
    service = {"id": "#calendar", "type": "CalendarService", "serviceEndpoint": f"https://{API}"}
    for host in (API, "other.example.edu"):
        oauth_internet.world.document(host, {"id": f"did:web:{host}", "service": [service]})
    answer: dict[str, Any] = {"body": json.dumps({"events": []}), "headers": {"Content-Type": "application/json"}}
    oauth_internet.world.page(API, f"/xrpc/{ASK}", **answer)
    oauth_internet.world.page(API, f"/xrpc/{OTHER}", **answer)
    authority = LexiconAuthority(oauth_internet, DOMAIN)
    account = oauth_internet.sign_up(which, "cal")
    with oauth_internet.app(which, folder / "app", metadata=said) as app:
        yield Scene(oauth_internet, which, account, authority, app, said, folder)


def test_what_a_set_allows_works_and_nothing_else(scene: Scene) -> None:
    beyond = repo("app.bsky.feed.post"), {"type": "permission", "resource": "blob", "accept": ["*/*"]}
    permissions = [repo(EVENT, action=["create"]), rpc(ASK), *beyond]
    scene.authority.publish("authBasic", permissions, **TEXTS, **TEXTS_BY_LANGUAGE)
    scene.sign_in("authBasic")
    assert scene.refresh() == f"atproto repo:{EVENT}?action=create rpc:{ASK}?aud={quote(SERVICE, safe=':')}"
    update: dict[str, Any] = {"$type": "com.atproto.repo.applyWrites#update", "rkey": "self"}
    for verdict, expected in (
        (scene.write(EVENT), LET_IN),
        (scene.write(EVENT, EVENT), LET_IN),
        (scene.write(NOTE), DENIED),
        (scene.write(EVENT, NOTE), DENIED),
        (scene.write("app.bsky.feed.post"), DENIED),
        (scene.write(EVENT, **update), DENIED),
        (scene.call(ASK), LET_IN),
        (scene.call(OTHER), DENIED),
        (scene.call(ASK, "did:web:other.example.edu#calendar"), DENIED),
    ):
        assert verdict == expected
    # Nothing of a batch was written of which one write was refused.
    repo_of = f"/xrpc/com.atproto.repo.listRecords?repo={scene.account.did}&collection="
    assert len(scene.app.fetch(scene.account.did, repo_of + EVENT)[1]["records"]) == 3


def test_what_a_publisher_changes_is_in_force_with_the_next_token(scene: Scene) -> None:
    scene.authority.publish("authGrowing", [repo(EVENT)])
    scene.sign_in("authGrowing")
    scene.authority.publish("authGrowing", [repo(EVENT, NOTE), rpc(ASK)])
    scene.start_anew()
    assert (scene.write(EVENT), scene.write(NOTE), scene.call(ASK)) == (LET_IN, DENIED, DENIED)
    scene.refresh()
    assert (scene.write(EVENT), scene.write(NOTE), scene.call(ASK)) == (LET_IN, LET_IN, LET_IN)
    # Less, and under another key.
    scene.authority.publish("authGrowing", [repo(NOTE)])
    scene.authority.rotate_key()
    scene.start_anew()
    assert (scene.write(EVENT), scene.write(NOTE), scene.call(ASK)) == (LET_IN, LET_IN, LET_IN)
    scene.refresh()
    assert (scene.write(EVENT), scene.write(NOTE), scene.call(ASK)) == (DENIED, LET_IN, DENIED)


def test_what_somebody_was_granted_stands_when_its_publisher_withdraws_it(scene: Scene) -> None:
    scene.authority.publish("authLost", [repo(EVENT)])
    scene.sign_in("authLost")
    scene.authority.withdraw()
    scene.start_anew()
    granted = scene.refresh()
    assert granted == f"atproto repo:{EVENT}"
    assert (scene.write(EVENT), scene.write(NOTE)) == (LET_IN, DENIED)
    if scene.is_reference:
        scene.ask("authLost")
    else:
        # A set that is not published any more is granted to nobody else.
        with pytest.raises(AppFailed, match="not published") as refused:
            scene.ask("authLost")
        assert (refused.value.name, refused.value.status) == ("invalid_scope", 400)
    scene.authority.come_back()


def test_a_publisher_who_is_killed_costs_neither_code_nor_session(scene: Scene) -> None:
    """Between consent and exchange, between refreshes, and across restarts; and it widens nothing."""
    scene.authority.publish("authOut", [repo(EVENT)])
    scene.sign_in("authOut")
    with scene.internet.app(scene.which, scene.folder / "other", metadata=scene.said) as other:
        parameters = scene.person().approve(scene.ask("authOut", other))
        scene.authority.publish("authOut", [repo(EVENT, NOTE)])
        scene.authority.be_killed()
        scene.start_anew()
        other.callback(parameters)
        for _ in range(2):
            assert scene.refresh() == f"atproto repo:{EVENT}"
        for app in (scene.app, other):
            assert (scene.write(EVENT, app=app), scene.write(NOTE, app=app)) == (LET_IN, DENIED)
        # Others may grant it in the meantime, as it was.
        other.callback(scene.person().approve(scene.ask("authOut", other)))
        assert (scene.write(EVENT, app=other), scene.write(NOTE, app=other)) == (LET_IN, DENIED)
    scene.authority.come_back()


@pytest.mark.parametrize("name", ["authSilent", "authBroken"])
def test_a_publisher_nobody_has_heard_of_and_who_makes_no_sense_keeps_nobody_waiting(scene: Scene, name: str) -> None:
    scene.authority.publish(name, [repo(EVENT)])
    scene.authority.answer(**({"hangs": True} if name == "authSilent" else {"body": "<html>nonsense"}))
    with pytest.raises(AppFailed) as refused:
        scene.ask(name)
    assert (refused.value.name, refused.value.status) == ("invalid_scope", 400)
    scene.authority.come_back()


def test_who_is_sent_with_a_set_that_cannot_be_had_is_told_so(scene: Scene) -> None:
    """Before they go back to the app, as nobody has announced them."""
    if scene.is_reference:
        pytest.skip("its pages are its own")
    scene.authority.publish("authBroken", [repo(EVENT)])
    scene.authority.answer(body="<html>nonsense")
    person = scene.person()
    given = {
        "client_id": scene.said["client_id"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": f"atproto {SCOPES['authBroken']}",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    person.open(f"https://{HOSTS[scene.which]}/oauth/authorize?{urlencode(given)}")
    assert "This cannot go on just now" in person.words
    assert f"the permission set {GROUP}.authBroken cannot be had now" in person.words
    scene.authority.come_back()


# In a browser


@pytest.fixture(scope="module")
def chromium(
    browser_path: str, oauth_internet: OAuthInternet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Chromium on that host."""
    script = tmp_path_factory.mktemp("chromium") / "chromium"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(oauth_internet.host.command(browser_path))} "$@"\n')
    script.chmod(0o755)
    with open_chromium(str(script)) as browser:
        yield browser


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "de-DE",
            (
                "Kalender",
                IN_GERMAN,
                f"Veröffentlicht von {DOMAIN}.",
                f"Daten der Art {EVENT} anlegen",
                f"Den Dienst {API} in deinem Namen benutzen",
            ),
        ),
        (
            "en-US",
            (
                "Calendar",
                TEXTS["detail"],
                f"Published by {DOMAIN}.",
                f"Create data of the kind {EVENT}",
                f"Use the service {API} in your name",
            ),
        ),
    ],
)
def test_a_person_is_told_in_their_language_what_a_set_gives(
    scene: Scene, chromium: Browser, locale: str, words: tuple[str, ...]
) -> None:
    if scene.is_reference:
        pytest.skip("its pages are its own")
    scene.authority.publish("authBasic", [repo(EVENT, action=["create"]), rpc(ASK)], **TEXTS, **TEXTS_BY_LANGUAGE)
    context = chromium.new_context(viewport=PHONE, locale=locale, ignore_https_errors=True, reduced_motion="reduce")
    page = context.new_page()
    page.goto(scene.ask("authBasic"))
    sign_in(page, scene, locale)
    told = " ".join(page.inner_text("form.consent").split())
    assert [word for word in words if word not in told] == []
    page.click("button[value=allow]")
    page.wait_for_url(f"{CALLBACK}?**")
    scene.app.callback(dict(parse_qsl(urlsplit(page.url).query)))
    assert (scene.write(EVENT), scene.write(NOTE), scene.call(ASK)) == (LET_IN, DENIED, LET_IN)
    page.goto(f"https://{HOSTS[scene.which]}/account/{scene.account.did}/apps")
    told = " ".join(page.inner_text("main").split())
    assert [word for word in words if word not in told and word not in (IN_GERMAN, TEXTS["detail"])] == []
    Walk(page, scene.internet.servers[scene.which], scene.account, scene.folder, f"sets-apps-{locale}").picture("apps")
    context.close()


def sign_in(page: Page, scene: Scene, name: str) -> None:
    """Give the password, for the app has told who comes, and arrive at the page that asks."""
    page.fill("#password", scene.account.password)
    page.press("#password", "Enter")
    page.wait_for_selector("form.consent")
    server = scene.internet.servers[scene.which]
    Walk(page, server, scene.account, scene.folder, f"sets-{name}").picture("consent")
