"""Somebody who is sent to the authorization pages of a server, and walks through them without a browser.

On Tempest they fill in the forms of its pages, as a browser without JavaScript does. The pages of the reference server
are a program in JavaScript, whose requests are made here in its stead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
from tests.support.account import Account
from tests.support.process import ServerProcess
from tests.support.reference import ReferencePds

_NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers name it."""
    return "{}://{}".format(*urlsplit(url)[:2])


class Stuck(Exception):
    """The page in front of the person does not lead on; the message holds what it says."""


@dataclass
class Control:
    """An input or a button of a form."""

    kind: str
    name: str
    value: str
    checked: bool = False
    autocomplete: str = ""


@dataclass
class Form:
    """A form as a page has it."""

    action: str
    method: str
    controls: list[Control] = field(default_factory=list)

    def has(self, kind: str) -> bool:
        return any(control.kind == kind for control in self.controls)

    def named(self, name: str) -> Control | None:
        return next((control for control in self.controls if control.name == name), None)

    def sent(self, button: Control | None, **filled: str) -> list[tuple[str, str]]:
        """Return what a browser sends when this button is pressed."""
        pairs = [
            (control.name, filled.get(control.name, control.value))
            for control in self.controls
            if control.name
            and control.kind not in {"submit", "button"}
            and (control.kind not in {"checkbox", "radio"} or control.checked)
        ]
        return [*pairs, (button.name, button.value)] if button is not None and button.name else pairs


class Page(HTMLParser):
    """The forms and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words = ""
        self._open: Form | None = None
        self._hidden = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif tag in {"input", "button"} and self._open is not None and "disabled" not in given:
            kind = given.get("type", "submit" if tag == "button" else "text")
            default = "on" if kind in {"checkbox", "radio"} else ""
            self._open.controls.append(
                Control(
                    kind,
                    given.get("name", ""),
                    given.get("value", default),
                    "checked" in given,
                    given.get("autocomplete", ""),
                )
            )
        self._hidden += tag in {"style", "script"}

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        self._hidden -= tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data


class Person:
    """A person with a browser, an account, and its password."""

    def __init__(self, account: Account, http: httpx.Client | None = None) -> None:
        self.account = account
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        """All that servers set, with its attributes."""
        self.answer = httpx.Response(0)
        self.url = ""
        self._http = http or httpx.Client(timeout=30)

    def open(self, url: str) -> None:
        """Go where the application sends them."""
        self._send("GET", url, headers=_NAVIGATION)

    def sign_in(self) -> None:
        """Say who they are, unless the server knows."""
        raise NotImplementedError

    def accept(self) -> dict[str, str]:
        """Agree, and return the parameters that the application is sent back with."""
        raise NotImplementedError

    def reject(self) -> dict[str, str]:
        """Refuse, and return the parameters that the application is sent back with."""
        raise NotImplementedError

    def take_away(self, client_id: str) -> None:
        """Take away from an application what it was allowed, on the pages of the account."""
        raise NotImplementedError

    def approve(self, url: str) -> dict[str, str]:
        """Do all of it."""
        self.open(url)
        self.sign_in()
        return self.accept()

    def _send(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Send a request, keep the cookies that come, and follow redirects within the server."""
        origin = origin_of(url)
        while True:
            self._http.cookies.clear()
            headers = dict(more.pop("headers", {}))
            if self.cookies:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            self.url, self.answer = url, self._http.request(method, url, headers=headers, **more)
            set_now = self.answer.headers.get_list("set-cookie")
            self.set_cookies += set_now
            for header in set_now:
                name, _, rest = header.partition("=")
                value, _, attributes = rest.partition(";")
                if "Max-Age=0" in attributes or not value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value
            target = self.answer.headers.get("location")
            if target is None or origin_of(urljoin(url, target)) != origin:
                return self.answer
            method, url, more = "GET", urljoin(url, target), {"headers": _NAVIGATION}

    def _handed_over(self) -> dict[str, str]:
        """Read what the application gets, whichever way it is sent."""
        target = self.answer.headers.get("location")
        if target is not None:
            parts = urlsplit(target)
            return dict(parse_qsl(parts.fragment or parts.query))
        forms = [form for form in Page(self.answer.text).forms if urlsplit(form.action).netloc]
        if len(forms) != 1:
            raise Stuck(f"{self.answer.status_code} at {self.url}: {self.words}")
        return dict(forms[0].sent(None))

    @property
    def words(self) -> str:
        """What the page says."""
        return " ".join(Page(self.answer.text).words.split())


class TempestPerson(Person):
    """Fills in forms."""

    def sign_in(self) -> None:
        chosen = self._find("account", self.account.did)
        if chosen is not None:
            self._submit(*chosen)
        form = next((form for form in Page(self.answer.text).forms if form.has("password")), None)
        if form is None:
            return
        filled = {}
        for control in form.controls:
            if control.kind == "password":
                filled[control.name] = self.account.password
            elif control.autocomplete.startswith("username") and not control.value:
                filled[control.name] = self.account.handle
        self._submit(form, None, **filled)

    def fill(self, **filled: str) -> None:
        """Fill in the form that has these fields, and send it."""
        form = next(form for form in Page(self.answer.text).forms if all(map(form.named, filled)))
        self._submit(form, None, **filled)

    def accept(self) -> dict[str, str]:
        return self._decide("allow")

    def reject(self) -> dict[str, str]:
        return self._decide("deny")

    def take_away(self, client_id: str) -> None:
        url = self.account.server.url
        self.open(f"{url}/account/sign-in")
        self.sign_in()
        self.open(f"{url}/account/{self.account.did}/apps")
        for form in Page(self.answer.text).forms:
            client = form.named("client")
            if client is not None and client.value == client_id:
                self._submit(form, None)
                return
        raise Stuck(f"{self.answer.status_code} at {self.url}: {self.words}")

    def _decide(self, decision: str) -> dict[str, str]:
        found = self._find("decision", decision)
        if found is None:
            raise Stuck(f"{self.answer.status_code} at {self.url}: {self.words}")
        self._submit(*found)
        return self._handed_over()

    def _find(self, name: str, value: str) -> tuple[Form, Control] | None:
        """Find a button, and the form it is in."""
        for form in Page(self.answer.text).forms:
            for control in form.controls:
                if (control.kind, control.name, control.value) == ("submit", name, value):
                    return form, control
        return None

    def _submit(self, form: Form, button: Control | None, **filled: str) -> None:
        target = urljoin(self.url, form.action)
        fields = urlencode(form.sent(button, **filled))
        same = {**_NAVIGATION, "Sec-Fetch-Site": "same-origin", "Referer": self.url}
        if form.method == "get":
            self._send("GET", f"{target}?{fields}", headers=same)
            return
        headers = {**same, "Origin": origin_of(self.url), "Content-Type": "application/x-www-form-urlencoded"}
        self._send("POST", target, content=fields, headers=headers)


class ReferencePerson(Person):
    """Does what the program in the pages of the reference server does."""

    def open(self, url: str) -> None:
        super().open(url)
        self._page = self.url
        self._bearer: str | None = None

    def sign_in(self) -> None:
        given = {"username": self.account.handle, "password": self.account.password, "locale": "en"}
        self._bearer = self._api("sign-in", **given, remember=False)["ephemeralToken"]

    def accept(self) -> dict[str, str]:
        return self._leave(self._api("consent", did=self.account.did)["url"])

    def reject(self) -> dict[str, str]:
        return self._leave(self._api("reject")["url"])

    def take_away(self, client_id: str) -> None:
        self.open(f"{self.account.server.url}/account")
        given = {"username": self.account.handle, "password": self.account.password, "locale": "en"}
        self._api("sign-in", **given, remember=True)
        for session in self._api("oauth-sessions", "GET", did=self.account.did):
            if session["clientId"] == client_id:
                self._api("revoke-oauth-session", did=self.account.did, tokenId=session["tokenId"])

    def _api(self, name: str, method: str = "POST", **body: Any) -> Any:
        headers = {
            "Content-Type": "application/json",
            "Origin": origin_of(self._page),
            "Referer": self._page,
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "same-origin",
            "X-CSRF-Token": self.cookies.get("csrf-token", ""),
        }
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer}"
        url = urljoin(self._page, f"/@atproto/oauth-provider/~api/{name}")
        sent = {"content": json.dumps(body)} if method == "POST" else {"params": body}
        answer = self._send(method, url, headers=headers, **sent)
        if answer.status_code != 200:
            raise Stuck(f"{answer.status_code} to {name}: {answer.text}")
        return answer.json()

    def _leave(self, url: str) -> dict[str, str]:
        self._send("GET", url, headers={**_NAVIGATION, "Sec-Fetch-Site": "same-origin", "Referer": self._page})
        return self._handed_over()


def person(server: ServerProcess, account: Account, http: httpx.Client | None = None) -> Person:
    """Return a person with a browser that never was at this server."""
    return (ReferencePerson if isinstance(server, ReferencePds) else TempestPerson)(account, http)
