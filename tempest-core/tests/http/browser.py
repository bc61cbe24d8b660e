"""A browser without a screen: it keeps cookies, follows a redirect when told to, and submits the forms it was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Form:
    """A form as a page has it; `fields` are its inputs with the values they came with."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.words = ""
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self._in_form = False
        self._hidden = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given["action"], given["method"]))
            self._in_form = True
        elif tag == "input" and self._in_form and (given.get("type") != "checkbox" or "checked" in given):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        self._hidden += tag in {"style", "script"}

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        self._hidden -= tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data

    def form(self, action: str) -> Form:
        [form] = [form for form in self.forms if form.action == action]
        return form

    def all(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.tags if name == tag]


class Browser:
    """One person's browser at one server. Cookies are sent whatever their attributes say."""

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str] | None = None) -> None:
        self._http = http
        self._headers = headers or {}
        self.cookies: dict[str, str] = {}
        self.answer = httpx.Response(0)

    @property
    def page(self) -> Page:
        return Page(self.answer.text)

    async def get(self, path: str) -> httpx.Response:
        return await self._send("GET", path)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        return await self._send("POST", path, fields, **headers)

    async def submit(self, action: str, headers: dict[str, str] | None = None, **filled: str) -> httpx.Response:
        """Fill in the form of the page in front of us, and submit it."""
        form = self.page.form(action)
        assert form.method == "post"
        return await self.post(action, form.fields | filled, **(headers or {}))

    async def sign_in(self, token: str, path: str = "/admin") -> httpx.Response:
        """Go where a login is asked for, give the token, and land on the page."""
        await self.follow(await self.get(path))
        return await self.follow(await self.submit("/admin/login", token=token))

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        return await self.get(answer.headers["location"])

    async def _send(
        self, method: str, path: str, fields: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        self._http.cookies.clear()
        sent = {**self._headers, **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        raw = {name.encode(): value.encode("latin-1") for name, value in sent.items()}
        self.answer = await self._http.request(method, path, data=fields, headers=raw)
        for header in self.answer.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            value, _, attributes = rest.partition(";")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return self.answer
