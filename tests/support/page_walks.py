"""Walks past all that the pages say to people and to the operator, in a real browser.

A walk is a generator that stops at every page: it yields the name of the template that the page is from, and what is
special about it this time. Walks are made one after the other by the same browser, each where the last has ended.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
from pyotp import TOTP
from tests.support.account import Account, sign_up
from tests.support.chromium import Chromium
from tests.support.drawn_consent import drawn_consent
from tests.support.oauth_person import person
from tests.support.oauth_raw import RawClient
from tests.support.process import json_request
from tests.support.second_step import Person
from tests.support.server import Tempest
from tests.support.web_app import WebApp

from tempest_pds.http.pages.people.languages import LANGUAGES

NOT_WELCOME = "This app is not welcome here."
SCOPES = (
    "atproto transition:generic transition:email transition:chat.bsky repo:app.bsky.feed.post?action=create repo:* "
    "repo:com.example.note rpc:com.atproto.moderation.createReport?aud=* rpc:*?aud=did:web:api.bsky.app%23bsky_appview "
    "blob:image/* blob:*/* account:email account:repo?action=manage account:status?action=manage identity:handle "
    "identity:* repo:not-a-nsid"
)
PLUGIN = f"""
from tempest_pds_plugins import hookimpl

@hookimpl
def check_consent(scopes):
    return {NOT_WELCOME!r} if "transition:chat.bsky" in scopes and "transition:generic" not in scopes else None
"""


class Stop(NamedTuple):
    """A page that a walk stops at."""

    template: str
    state: str = ""


Walk = Iterator[Stop]


def install_plugin(folder: Path) -> None:
    """Put a plugin there that lets no app in that wants private messages alone, to be found by PYTHONPATH."""
    metadata = folder / "doorkeeper-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: doorkeeper\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tempest_pds.plugins]\ndoorkeeper = doorkeeper_of_a_test\n")
    (folder / "doorkeeper_of_a_test.py").write_text(PLUGIN)


@dataclass
class Walker:
    """Somebody at a browser; the server wants invite codes, and has the plugin."""

    browser: Chromium
    server: Tempest
    app: WebApp

    def __post_init__(self) -> None:
        self.admin_token = (self.server.folder / "keys" / "secret_admin_token").read_text().strip()
        self.alice = self._sign_up("alice")
        self.bob = self._sign_up("bob")

    def open(self, path: str) -> None:
        """Go to a page of the server, or to a whole address."""
        self.browser.open(path if path.startswith("http") else self.server.url + path)
        self.browser.wait_for("document.querySelector('h1')")

    def own(self, page: str = "") -> None:
        """Go to a page of the account."""
        self.open(f"/account/{self.alice.did}{page}")

    def submit(self, form: str = "main form", button: str = "button:not([type=button])", **values: str) -> None:
        """Fill in a form whatever the browser thinks of the values, press its button, and wait for the next page."""
        script = "".join(
            f"document.querySelector({json.dumps(f'{form} [name={name}]')}).value = {json.dumps(value)};"
            for name, value in values.items()
        )
        left = f"{form} {button}"
        self.browser.evaluate(
            f"window.isLeft = true; {script} document.querySelector({json.dumps(form)}).noValidate = true;"
            f"document.querySelector({json.dumps(left)}).click()"
        )
        self.browser.wait_for("!window.isLeft && document.querySelector('h1, #app')")

    def follow(self, text: str) -> None:
        """Follow a link or press a button by what it says."""
        found = f"[...document.querySelectorAll('main a, main button')].find(e => e.textContent.trim() === {text!r})"
        self.browser.evaluate(f"window.isLeft = true; {found}.click()")
        self.browser.wait_for("!window.isLeft && document.querySelector('h1, #app')")

    def forget(self) -> None:
        """Be a stranger again."""
        self.browser.call("Network.clearBrowserCookies")

    def sign_in(self, account: Account) -> None:
        self.open("/account/sign-in")
        self.submit(identifier=account.handle, password=account.password)

    def ask(self, scope: str = SCOPES, **more: str) -> None:
        """Come from the app, with what it asks for."""
        self.open(self.app.authorize_url(self.server, scope, **more))

    def say_in_the_database(self, statement: str, *values: object) -> None:
        """Have it be another time, or something have happened that takes a mail."""
        with closing(sqlite3.connect(self.server.folder / "account.sqlite", timeout=20)) as database, database:
            database.execute(statement, values)

    # The walks

    def as_a_stranger(self) -> Walk:
        """What is open to anybody."""
        self.forget()
        self.open("/")
        yield Stop("landing.html")
        self.open("/account/no/such/page")
        yield Stop("people/problem.html", "nothing there")
        self.open("/account/sign-in")
        yield Stop("people/sign_in.html")
        self.submit(identifier="", password="")
        yield Stop("people/sign_in.html", "empty")
        self.submit(identifier=self.alice.handle, password="wrong")
        yield Stop("people/sign_in.html", "wrong password")
        self.browser.evaluate("document.querySelector('main [name=form_token]').value = 'old'")
        self.submit(identifier=self.alice.handle, password="wrong")
        yield Stop("people/problem.html", "a form of long ago")
        self.open("/account/sign-up")
        yield Stop("people/sign_up.html")
        self.submit(name="a", email="nobody", password="short", invite_code="wrong")
        yield Stop("people/sign_up.html", "all wrong")
        self.submit(name="carol", email="carol@example.com", password="long enough", invite_code="wrong")
        yield Stop("people/sign_up.html", "no such invite code")
        self.open("/account/reset-password")
        yield Stop("people/reset_password.html")
        self.submit(email="carol@example.com")
        yield Stop("people/reset_code.html", "a mail is on its way")
        self.submit(code="wrong", password="long enough")
        yield Stop("people/reset_code.html", "wrong code")
        self.submit(code="wrong", password="short")
        yield Stop("people/reset_code.html", "too short a password")

    def to_an_app(self) -> Walk:
        """From an app to the server and back."""
        self.forget()
        folder = "people/authorize"
        self.open("/oauth/authorize/consent?request=none")
        yield Stop(f"{folder}/problem.html", "over")
        self.ask(client_id="nonsense")
        yield Stop(f"{folder}/problem.html", "no such app")
        self.ask(response_type="token")
        yield Stop(f"{folder}/problem.html", "with a way back")
        self.ask(prompt="create")
        yield Stop(f"{folder}/sign_up.html")
        self.submit("main form.card", name="a", email="nobody", password="short", invite_code="wrong")
        yield Stop(f"{folder}/sign_up.html", "all wrong")
        self.ask(login_hint=self.alice.handle)
        yield Stop(f"{folder}/sign_in.html", "somebody expected")
        self.submit("main form.card", password="wrong")
        yield Stop(f"{folder}/sign_in.html", "somebody expected, wrong password")
        self.ask()
        yield Stop(f"{folder}/sign_in.html")
        self.submit("main form.card", identifier="nobody", password="wrong")
        yield Stop(f"{folder}/sign_in.html", "wrong password")
        self.submit("main form.card", identifier=self.alice.handle, password=self.alice.password)
        yield Stop(f"{folder}/consent.html", "all there is")
        self.ask("atproto", prompt="consent")
        yield Stop(f"{folder}/consent.html", "nothing to untick")
        self.ask("atproto transition:chat.bsky", prompt="consent")
        self.submit("form.consent", "button[value=allow]")
        yield Stop(f"{folder}/refused.html")
        self.sign_in(self.bob)
        self.ask()
        yield Stop(f"{folder}/choose.html")
        self.ask("atproto", login_hint=self.alice.handle)
        here = self.browser.evaluate("location.href")
        self.open(re.sub(r"account=[^&]*", f"account={self.bob.did}", here))
        yield Stop(f"{folder}/consent.html", "another expected")
        self.bob.procedure("com.atproto.server.deactivateAccount")
        self.ask("atproto")
        yield Stop(f"{folder}/choose.html", "one is deactivated")
        self.submit("main form", f"button[value='{self.bob.did}']")
        yield Stop(f"{folder}/inactive.html")
        self.ask("atproto", response_mode="form_post", prompt="consent", login_hint=self.alice.handle)
        self.browser.call("Emulation.setScriptExecutionDisabled", value=True)
        self.browser.evaluate("document.querySelector('button[value=allow]').click()")
        self.browser.wait_for("document.querySelector('#answer')")
        self.browser.call("Emulation.setScriptExecutionDisabled", value=False)
        yield Stop(f"{folder}/form_post.html")

    def to_a_published_app(self) -> Walk:
        """An app with a name and documents, and sets of permissions."""
        for language in LANGUAGES:
            self.browser.draw(drawn_consent(language))
            yield Stop("people/authorize/consent.html", f"a published app, {language}")

    def at_home(self) -> Walk:
        """The pages of an account, with all that can be in them and can go wrong."""
        self.forget()
        self.sign_in(self.bob)
        yield Stop("people/profile.html", "deactivated")
        self.open(f"/account/{self.bob.did}/deactivate")
        yield Stop("people/deactivate.html", "deactivated")
        self.forget()
        self.sign_in(self.alice)
        self.forget()
        self.sign_in(self.alice)
        yield Stop("people/profile.html")
        self.sign_in(self.bob)
        self.open("/account")
        yield Stop("people/home.html")
        self.own("/handle")
        yield Stop("people/handle.html")
        self.submit(name="a")
        yield Stop("people/handle.html", "no such name")
        self.submit("main form:nth-of-type(2)", domain_name="example.com")
        yield Stop("people/handle.html", "not proved")
        self.own("/email")
        yield Stop("people/email.html", "not confirmed")
        self.submit("main section:nth-of-type(1) form:nth-of-type(2)", code="wrong")
        yield Stop("people/email.html", "wrong code")
        self.say_in_the_database("UPDATE account SET email_confirmed_at = 1 WHERE did = ?", self.alice.did)
        self.own("/email")
        yield Stop("people/email.html", "confirmed")
        self.submit("main section form:nth-of-type(2)", code="wrong", email="nobody")
        yield Stop("people/email.html", "all wrong")
        self.own("/password")
        yield Stop("people/password.html")
        self.submit(password="short")
        yield Stop("people/password.html", "too short")
        self.own("/deactivate")
        yield Stop("people/deactivate.html")
        self.own("/delete")
        yield Stop("people/delete.html")
        self.submit("main form.card", code="wrong", password="wrong")
        yield Stop("people/delete.html", "not meant")
        self.browser.evaluate("document.querySelector('#sure').checked = true")
        self.submit("main form.card", code="wrong", password="wrong")
        yield Stop("people/delete.html", "all wrong")
        self.own("/app-passwords")
        yield Stop("people/app_passwords.html", "none")
        self.submit("main form.card", name="an app with a rather long name, for a narrow screen")
        yield Stop("people/app_passwords.html", "made")
        self.submit("main form.card", name="an app with a rather long name, for a narrow screen")
        yield Stop("people/app_passwords.html", "there already")
        self.submit("main .items form")
        yield Stop("people/app_passwords.html", "revoked")
        self._use_apps()
        self.own("/apps")
        yield Stop("people/apps.html")
        self.own("/devices")
        yield Stop("people/devices.html")
        self.say_in_the_database("UPDATE browser_account SET confirmed_at = 1")
        for page in ("email", "app_passwords"):
            self.own(f"/{page.replace('_', '-')}")
            yield Stop(f"people/{page}.html", "the password was given long ago")
        self.own("/confirm")
        yield Stop("people/factors/confirm.html")
        self.submit(password="wrong")
        yield Stop("people/factors/confirm.html", "wrong password")
        self.submit(password=self.alice.password)

    def with_a_second_step(self) -> Walk:
        """Setting it up, and signing in with it."""
        owner = Person(self.browser, self.server, self.alice)
        folder = "people/factors"
        # A passkey belongs to a name, and an address is none.
        self.forget()
        owner.give_password()
        owner.see("Profile")
        owner.open("second-factor")
        owner.see("Switched off")
        yield Stop(f"{folder}/second_factor.html", "off")
        self.follow("Set up an authenticator app")
        yield Stop(f"{folder}/app.html")
        self.submit(code="000000")
        self.browser.evaluate("document.querySelector('main details').open = true")
        yield Stop(f"{folder}/app.html", "wrong code")
        owner.app = TOTP(self.browser.evaluate("document.querySelector('#secret').textContent").replace(" ", ""))
        self.submit(code=owner.code())
        yield Stop(f"{folder}/codes.html")
        owner.add_authenticator()
        owner.open("second-factor", "passkey")
        self.browser.wait_for("document.querySelector('#new-passkey')")
        yield Stop(f"{folder}/passkey.html")
        self.browser.evaluate("document.querySelector('#new-passkey').elements.passkey.value = '{}'")
        self.submit(name="My phone")
        yield Stop(f"{folder}/passkey.html", "not set up")
        owner.press("Set up a passkey")
        owner.see("The passkey is set up.")
        self.browser.evaluate("for (const e of document.querySelectorAll('main details')) e.open = true")
        yield Stop(f"{folder}/second_factor.html", "on")
        self.forget()
        owner.give_password()
        owner.see("Second step")
        yield Stop("people/factor.html", "of both kinds")
        self.submit("#factor", "button.main", code="wrong")
        yield Stop("people/factor.html", "of both kinds, wrong")
        self.browser.call("WebAuthn.disable")
        self.say_in_the_database("DELETE FROM passkey")
        self.forget()
        self.ask("atproto")
        self.submit("main form.card", identifier=self.alice.handle, password=self.alice.password)
        yield Stop("people/factor.html", "on the way to an app")
        self.submit("#factor", "button.main", code="wrong")
        yield Stop("people/factor.html", "wrong")
        self.submit("#factor", "button.main", code=owner.code())
        yield Stop("people/authorize/consent.html", "after a second step")
        self.own("/security")
        yield Stop("people/security.html")

    def as_the_operator(self) -> Walk:
        """What is at /admin."""
        self.forget()
        self.open("/admin/accounts?q=alice")
        yield Stop("admin/login.html")
        self.submit(token="wrong")
        yield Stop("admin/login.html", "wrong")
        self.submit(token=self.admin_token)
        yield Stop("admin/accounts.html")
        self.open("/admin/accounts?q=nobody")
        yield Stop("admin/accounts.html", "nobody")
        self.submit("form[action='/admin/invites']")
        yield Stop("admin/made.html")
        self.open("/admin")
        yield Stop("admin/overview.html")
        self.open("/admin/storage")
        yield Stop("admin/storage.html")
        self.open("/admin/no/such/page")
        yield Stop("admin/problem.html")
        self.open(f"/admin/accounts/{self.alice.did}")
        yield Stop("admin/account.html")
        self.browser.evaluate("document.querySelector('#sure-takedown').checked = true")
        self.submit("form[action$='/takedown']")
        yield Stop("admin/account.html", "taken down")

    def _sign_up(self, prefix: str) -> Account:
        basic = base64.b64encode(f"admin:{self.admin_token}".encode()).decode()
        url = f"{self.server.url}/xrpc/com.atproto.server.createInviteCode"
        _, made = json_request(url, {"useCount": 1}, headers={"Authorization": f"Basic {basic}"})
        assert isinstance(made, dict)
        return sign_up(self.server, prefix, inviteCode=made["code"])

    def _use_apps(self) -> None:
        """Have one app sign in with OAuth, twice, and one with a password of its own."""
        with httpx.Client(timeout=30) as http:
            for _ in range(2):
                RawClient(self.server.url, http).sign_in(person(self.server, self.alice, http))
        made = self.alice.procedure("com.atproto.server.createAppPassword", name="phone")
        given = {"identifier": self.alice.handle, "password": made["password"]}
        json_request(f"{self.server.url}/xrpc/com.atproto.server.createSession", given)
