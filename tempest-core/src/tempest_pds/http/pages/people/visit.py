"""One request of a person who looks at a page: who is signed in, in which language, and what can be answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from blacksheep import Response

from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Services
from tempest_pds.http.pages.cookies import Cookie
from tempest_pds.http.pages.people.languages import LANGUAGES, Texts, best_language
from tempest_pds.http.pages.people.own_paths import HOME, SIGN_IN, account_path, own_path, with_query
from tempest_pds.http.pages.people.refusals import NO_SUCH_PAGE, TOO_MANY_ATTEMPTS, GoElsewhere, Refusal
from tempest_pds.http.pages.people.seals import Seals
from tempest_pds.http.pages.rendering import PRIVATE, Header, Templates
from tempest_pds.http.rate_limits import Limit, RateLimiter
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.second_factor.step_up import RECENT_SECONDS
from tempest_pds.services.sign_in import Visitor
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.accounts import Account

RECENT_US: Final = RECENT_SECONDS * 1_000_000
"""How long after giving password and second factor a person may do what needs them afresh."""

_FILLING_IN_US: Final = RECENT_US // 2

_SUBMIT_ONCE: Final = "people/submit_once.js"
_COOKIE_SECONDS: Final = 7 * 86_400
_NOTICE_SECONDS: Final = 60
_LANGUAGE_SECONDS: Final = 365 * 86_400
_AWAY: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))


@dataclass(frozen=True, slots=True)
class Doorway:
    """What the pages of one server have in common."""

    services: Services
    templates: Templates
    limiter: RateLimiter
    seals: Seals
    browser_cookie: Cookie
    notice_cookie: Cookie
    language_cookie: Cookie


@dataclass(slots=True, kw_only=True)
class Visit:
    """What a page is given.

    Attributes:
        path: as it was asked for, still percent-encoded, and without the query.
        here: the page in front of the person, with its query, as a link back to it may say.
        names: what stands for each `*` in the path of the route, percent-decoded.
        query: of the URL; of a repeated field the last counts, while `query_pairs` has all.
        form: what was submitted, known to come from a page of ours in this browser; empty for GET.
        secret: the value of the browser's cookie; a new one when it came with none.
        accounts: those signed in in this browser, the last first.
        texts: the words of the person's language.
        headers: that the answer is sent with: cookies for the most part.
        began_at: in microseconds since 1970.
    """

    doorway: Doorway
    client_ip: str
    user_agent: str | None
    request_headers: Mapping[bytes, bytes]
    path: str
    here: str
    names: Sequence[str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    secret: str
    accounts: list[SignedIn]
    texts: Texts
    headers: list[Header] = field(default_factory=list)
    query_pairs: Sequence[tuple[str, str]] = ()
    began_at: int = field(default_factory=now_us)

    @property
    def services(self) -> Services:
        """What is behind the pages."""
        return self.doorway.services

    @property
    def templates(self) -> Templates:
        """What writes the pages."""
        return self.doorway.templates

    @property
    def browser(self) -> bytes:
        """The SHA-256 of the cookie's value, which half-finished work is bound to."""
        return hashlib.sha256(self.secret.encode()).digest()

    @property
    def visitor(self) -> Visitor:
        """Who is at the door, as services are told it."""
        return Visitor(client_ip=self.client_ip, user_agent=self.user_agent, browser=self.browser)

    # Who it is

    @property
    def did(self) -> Did:
        """The account that the first `*` of the path names; raises Refusal when it is no DID."""
        if not Did.is_valid(self.names[0]):
            raise Refusal(404, NO_SUCH_PAGE)
        return Did(self.names[0])

    def account(self) -> SignedIn:
        """Give the account that the path names, or send the browser to sign in to it and to come back."""
        did = self.did
        for signed_in in self.accounts:
            if signed_in.account.did == did:
                return signed_in
        back = own_path(self.here, account_path(did))
        raise GoElsewhere(with_query(SIGN_IN, {"account": did, "next": back}))

    def require_recent(self, back: str | None = None) -> SignedIn:
        """Give the account too, if password and second factor were given just now, or send the browser to give them.

        Args:
            back: the page to come back to, when it is not the one of this request.
        """
        signed_in = self.account()
        if self._is_recent(RECENT_US):
            return signed_in
        raise GoElsewhere(self.confirmation_path(back))

    def ask_first(self) -> SignedIn:
        """Give the account to a page with a form that needs password and second factor afresh.

        Asking when the form has been filled in would lose what was typed: who has little time left is asked now.
        """
        signed_in = self.account()
        if self.has_time_for_a_form:
            return signed_in
        raise GoElsewhere(self.confirmation_path())

    @property
    def has_time_for_a_form(self) -> bool:
        """Whether a form that needs password and second factor afresh can be filled in before they are too old."""
        return self._is_recent(RECENT_US - _FILLING_IN_US)

    def confirmation_path(self, back: str | None = None) -> str:
        """Write the path of the page that asks for password and second factor, and leads back to this one."""
        did = self.did
        return with_query(account_path(did, "confirm"), {"next": own_path(back or self.here, account_path(did))})

    def _is_recent(self, age: int) -> bool:
        signed_in = self.account()
        # A clock that was set back makes nothing recent for longer.
        return abs(now_us() - signed_in.confirmed_at) < age and not signed_in.lacks_factor

    async def sign_in(self, account: Account, *, remember: bool, proven_at: int | None = None) -> Self:
        """Sign an account in; the visit goes on with another cookie, which whatever is answered from now on brings.

        The authorization requests that the browser is at work on go along.

        Args:
            proven_at: when password and second factor were given, in microseconds since 1970; None for this visit.
        """
        before = self.browser
        self.secret = await self.services.browsers.sign_in(
            self.secret,
            account,
            remember=remember,
            client_ip=self.client_ip,
            user_agent=self.user_agent,
            proven_at=self.began_at if proven_at is None else proven_at,
        )
        self.accounts = self.services.browsers.accounts(self.secret)
        cookie = self.doorway.browser_cookie
        age = _COOKIE_SECONDS if any(found.remembered for found in self.accounts) else None
        name = cookie.full_name.encode() + b"="
        self.headers = [header for header in self.headers if not header[1].startswith(name)]
        self.headers.append(cookie.set(self.secret, age))
        await self.services.oauth.requests.hand_over(before, self.browser)
        return self

    def count(self, *limits: Limit, key: str | None = None) -> None:
        """Count an attempt, by the address that it comes from unless a key is given; raise Refusal after too many."""
        limiter = self.doorway.limiter
        if not limiter.applies(self.client_ip, self.request_headers.get(b"x-ratelimit-bypass")):
            return
        key = limit_key(self.client_ip) if key is None else key
        for limit in limits:
            standing = limiter.consume(limit, key)
            if standing.exceeded:
                headers: list[Header] = []
                standing.add_headers(headers)
                raise Refusal(429, TOO_MANY_ATTEMPTS, headers)

    # What is said

    def prefer(self, ui_locales: str | None) -> None:
        """Go on in the language that a client asks for, unless the person chose one."""
        chosen = self.doorway.language_cookie.read(self.request_headers)
        accepted = self.request_headers.get(b"accept-language", b"").decode("latin-1")
        self.texts = Texts(best_language(chosen, ui_locales, accepted))

    def choose_language(self, language: str) -> None:
        """Remember what the person chose."""
        if language in LANGUAGES:
            self.headers.append(self.doorway.language_cookie.set(language, _LANGUAGE_SECONDS))
            self.texts = Texts(language)

    # What is answered

    def page(
        self,
        template: str,
        /,
        *,
        status: int = 200,
        form_targets: Sequence[str] = (),
        script: str | None = None,
        **values: Any,
    ) -> Response:
        """Answer with a page.

        Args:
            form_targets: addresses elsewhere that the answer to a form of the page may lead to.
            script: what runs in the page beside what all have, by the name of its file among the templates.
        """
        scripts = [_SUBMIT_ONCE] if script is None else [_SUBMIT_ONCE, script]
        script_text = "\n".join(map(self.templates.script, scripts))
        return self.templates.page(
            template,
            [*PRIVATE, (b"vary", b"Accept-Language, Cookie"), *self.headers, *self._taken_notice()],
            status=status,
            policy=self.templates.policy_with(form_targets, script_text),
            server=self.services.server,
            t=self.texts,
            languages=LANGUAGES,
            here=own_path(self.here),
            accounts=self.accounts,
            form_token=self.doorway.seals.form_token(self.secret),
            notice=self._notice(),
            script=script_text,
            account_path=account_path,
            with_query=with_query,
            **values,
        )

    def redirect(self, path: str, notice: str | None = None) -> Response:
        """Send the browser on to a page of ours; reloading that submits nothing again.

        Args:
            notice: one of the texts, shown by that page once.
        """
        headers = [*PRIVATE, *self.headers]
        if notice is not None:
            sealed = self.doorway.seals.seal_notice(notice, self.secret)
            headers.append(self.doorway.notice_cookie.set(sealed, _NOTICE_SECONDS))
        # What is asked for decides, not who asks: an address that came with the request has passed `own_path`.
        return Response(303, [(b"location", own_path(path, HOME).encode("ascii")), *headers])

    def leave(self, url: str) -> Response:
        """Send the browser to an address of a client, which does not hear where it comes from."""
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("an address that cannot stand in a header")
        return Response(303, [(b"location", url.encode("ascii")), *_AWAY, *self.headers])

    def _notice(self) -> str | None:
        sealed = self.doorway.notice_cookie.read(self.request_headers)
        text = None if sealed is None else self.doorway.seals.open_notice(sealed, self.secret)
        return None if text is None else self.texts(text)

    def _taken_notice(self) -> list[Header]:
        cookie = self.doorway.notice_cookie
        return [] if cookie.read(self.request_headers) is None else [cookie.clear()]
