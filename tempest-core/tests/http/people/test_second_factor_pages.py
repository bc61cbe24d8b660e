"""The pages of the second step, without JavaScript; passkeys are in the tests with a real browser."""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import pytest
import segno
from authorizing import CONSENT, SIGN_IN, opened
from browser import Browser
from pyotp import TOTP, parse_uri
from whole_server import PASSWORD, User, WholeServer

from tempest_pds.protocol.syntax.did import Did

pytestmark = pytest.mark.asyncio(loop_scope="module")


def drawn(page: str) -> list[list[bool]]:
    """Read the squares of the picture on a page as a camera sees them, with the margin that it needs."""
    view = re.search(r'<svg viewBox="0 0 ([0-9]+) \1" class="qr">(.*?)</svg>', page)
    assert view is not None
    size = int(view[1])
    assert f'fill="#fff" d="M0 0h{size}v{size}h-{size}z"' in view[2]
    [path] = re.findall(r'stroke="#000" d="([^"]*)"', view[2])
    squares = [[False] * size for _ in range(size)]
    x, y = 0, 0.0
    for step, numbers in re.findall(r"([Mmh])([^Mmh]*)", path):
        to = [float(number) for number in re.findall(r"-?[0-9.]+", numbers)]
        if step == "h":
            squares[int(y)][x : x + int(to[0])] = [True] * int(to[0])
        else:
            y = y + to[1] if step == "m" else to[1]
        x = int(to[0]) if step == "M" else x + int(to[0])
    return squares


@dataclass
class Person:
    """An account, and one browser of its owner."""

    server: WholeServer
    user: User
    browser: Browser
    app: TOTP | None = None
    first_code: str = ""
    codes: tuple[str, ...] = ()

    def path(self, *segments: str) -> str:
        return "/".join(["/account", self.user.did, *segments])

    async def give_password(self, browser: Browser) -> None:
        await browser.follow(await browser.get(self.path()))
        await browser.submit("/account/sign-in", password=PASSWORD)

    async def set_up_app(self) -> None:
        browser = self.browser
        await browser.get(self.path("second-factor", "app"))
        secret = re.search(r"secret=([A-Z2-7]{32})", browser.page.text)
        assert secret is not None
        self.app = TOTP(secret[1])
        self.first_code = self.app.now()
        await browser.submit(self.path("second-factor", "app"), code=self.first_code)
        self.codes = tuple(re.findall(r"<code>([0-9a-z-]{17})</code>", browser.page.text))
        assert len(self.codes) == 10

    def wrong_code(self) -> str:
        assert self.app is not None
        near = {self.app.at(int(time.time()) + 30 * off) for off in range(-2, 4)}
        return next(code for code in map(str, range(111_111, 999_999, 111_111)) if code not in near)

    def age(self, minutes: int = 11) -> None:
        """Have all that was confirmed lie some minutes back."""
        with sqlite3.connect(self.server.folder / "account.sqlite", timeout=30) as database:
            back = (time.time_ns() // 1000) - minutes * 60 * 1_000_000
            database.execute("UPDATE browser_account SET confirmed_at = ? WHERE did = ?", (back, self.user.did))
        database.close()

    def is_asked(self, browser: Browser) -> bool:
        """Tell whether the browser is sent to confirm."""
        answer = browser.answer
        return answer.status_code == 303 and answer.headers["location"].startswith(self.path("confirm") + "?")


async def person(server: WholeServer, name: str) -> Person:
    made = Person(server, await server.sign_up(name), Browser(server.http))
    await made.give_password(made.browser)
    return made


async def test_a_person_sets_up_an_app_and_signs_in_with_its_code(server: WholeServer) -> None:
    alice = await person(server, "alice")
    await alice.set_up_app()
    other = Browser(server.http)
    await alice.give_password(other)
    assert "Second step" in other.page.words
    assert (await other.get(alice.path())).status_code == 303, "the password alone opens nothing"
    await alice.give_password(other)
    assert (await other.submit("/account/sign-in/factor", code=alice.wrong_code())).status_code == 403
    await other.follow(await other.submit("/account/sign-in/factor", code=alice.codes[0]))
    assert other.answer.status_code == 200
    assert "alice.test" in other.page.words


async def test_the_picture_tells_an_app_what_the_link_and_the_text_do(server: WholeServer) -> None:
    dora = await person(server, "dora")
    await dora.browser.get(dora.path("second-factor", "app"))
    [link] = [a["href"] for a in dora.browser.page.all("a") if a["href"].startswith("otpauth:")]
    secret = parse_uri(link).secret  # type: ignore[no-untyped-call]
    assert " ".join(re.findall("....", secret)) in dora.browser.page.words
    code = segno.make(link, error="m", micro=False)
    assert drawn(dora.browser.page.text) == [[bool(square) for square in row] for row in code.matrix_iter(border=4)]


async def test_who_has_lost_it_all_is_told_who_can_help(server: WholeServer) -> None:
    erin = await person(server, "erin-lost")
    await erin.set_up_app()
    other = Browser(server.http)
    await erin.give_password(other)
    assert "Whoever runs this server can help you" in other.page.words


async def test_a_code_is_given_in_the_browser_that_gave_the_password(server: WholeServer) -> None:
    bob = await person(server, "bob")
    await bob.set_up_app()
    first, second = Browser(server.http), Browser(server.http)
    await bob.give_password(first)
    stolen = first.page.form("/account/sign-in/factor").fields["ticket"]
    await bob.give_password(second)
    answer = await second.submit("/account/sign-in/factor", ticket=stolen, code=bob.codes[0])
    assert answer.status_code == 403
    assert "That took too long" in second.page.words
    await first.follow(await first.submit("/account/sign-in/factor", code=bob.codes[0]))


async def test_recovery_codes_on_paper_stay_good_when_the_page_that_showed_them_is_loaded_anew(
    server: WholeServer,
) -> None:
    """Firefox asks before it sends a form again, WebKitGTK does not."""
    owner = await person(server, "paper")
    await owner.set_up_app()
    browser, codes = owner.browser, owner.path("second-factor", "codes")
    await browser.get(owner.path("second-factor"))
    wish = browser.page.form(codes).fields
    assert (await browser.post(codes, wish)).status_code == 200
    on_paper = re.findall(r"<code>(.+?)</code>", browser.answer.text)
    await browser.follow(await browser.post(codes, wish))
    assert "Left: 10 of 10" in browser.page.words
    other = Browser(server.http)
    await owner.give_password(other)
    assert (await other.submit("/account/sign-in/factor", code=on_paper[0])).status_code == 303


PROTECTED = [
    ("app-passwords", {"name": "bot"}),
    ("password", {"password": "another password"}),
    ("delete", {"sure": "yes", "password": PASSWORD, "code": "AAAAA-AAAAA"}),
    ("deactivate", {}),
    ("handle", {"kind": "hosted", "name": "mallory", "domain": ".test"}),
    ("second-factor/codes", {}),
    ("second-factor/app/remove", {}),
    ("second-factor/passkey/AAAA/remove", {}),
    ("second-factor/passkey/AAAA/name", {"name": "x"}),
]


async def test_what_harms_takes_password_and_factor_anew_after_ten_minutes(server: WholeServer) -> None:
    carol = await person(server, "carol")
    await carol.set_up_app()
    browser = carol.browser
    await browser.get(carol.path("second-factor"))
    token = browser.page.forms[0].fields["form_token"]
    carol.age()
    for path, given in PROTECTED:
        await browser.post(carol.path(path), {"form_token": token, **given})
        assert carol.is_asked(browser), path
    for path in ("handle", "second-factor/app", "second-factor/passkey", "password"):
        await browser.get(carol.path(path))
        assert carol.is_asked(browser), path

    await browser.follow(browser.answer)
    confirm = carol.path("confirm")
    assert (await browser.submit(confirm, password="wrong")).status_code == 403
    assert (await browser.submit(confirm, password=PASSWORD)).status_code == 200
    # The password alone has confirmed nothing.
    step = browser.page
    await browser.get(carol.path("password"))
    assert carol.is_asked(browser)
    await browser.post(
        carol.path("confirm", "factor"), step.form(carol.path("confirm", "factor")).fields | {"code": "x"}
    )
    assert browser.answer.status_code == 403
    await browser.follow(await browser.submit(carol.path("confirm", "factor"), code=carol.codes[1]))
    assert "Change your password" in browser.page.words


async def test_what_was_confirmed_without_a_factor_is_not_once_there_is_one(server: WholeServer) -> None:
    dave = await person(server, "dave")
    elsewhere = Browser(server.http)
    await dave.give_password(elsewhere)
    assert (await elsewhere.get(dave.path("password"))).status_code == 200
    await dave.set_up_app()
    await elsewhere.get(dave.path("password"))
    assert dave.is_asked(elsewhere)
    # Who set it up has shown it.
    assert (await dave.browser.get(dave.path("password"))).status_code == 200


async def test_confirming_without_a_factor_takes_the_password(server: WholeServer) -> None:
    erin = await person(server, "erin")
    erin.age()
    await erin.browser.get(erin.path("second-factor", "app"))
    assert erin.is_asked(erin.browser)
    await erin.browser.follow(erin.browser.answer)
    await erin.browser.follow(await erin.browser.submit(erin.path("confirm"), password=PASSWORD))
    assert "Set up an authenticator app" in erin.browser.page.words


async def test_what_was_confirmed_before_the_clock_was_set_back_is_confirmed_anew(server: WholeServer) -> None:
    yuri = await person(server, "yuri")
    yuri.age(-11)
    await yuri.browser.get(yuri.path("password"))
    assert yuri.is_asked(yuri.browser)


async def test_a_person_is_sent_on_to_pages_of_this_server_only(server: WholeServer) -> None:
    frank = await person(server, "frank")
    for wanted in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        await frank.browser.get(f"{frank.path('confirm')}?next={wanted}")
        answer = await frank.browser.submit(frank.path("confirm"), password=PASSWORD, next=wanted)
        assert answer.headers["location"] == frank.path()


async def test_the_pages_of_another_account_are_closed(server: WholeServer) -> None:
    grace, heidi = await person(server, "grace"), await person(server, "heidi")
    await grace.set_up_app()
    for path in ("second-factor", "second-factor/app", "confirm"):
        answer = await heidi.browser.get(grace.path(path))
        assert answer.headers["location"].startswith("/account/sign-in?"), path


async def test_codes_that_run_low_are_warned_of_and_made_anew(server: WholeServer) -> None:
    ivan = await person(server, "ivan")
    await ivan.set_up_app()
    for code in ivan.codes[:7]:
        given = {"identifier": "ivan.test", "password": PASSWORD, "authFactorToken": code}
        answer = await server.http.post("/xrpc/com.atproto.server.createSession", json=given)
        assert answer.status_code == 200
    await ivan.browser.get(ivan.path("second-factor"))
    assert "Left: 3 of 10" in ivan.browser.page.words
    assert "You are running out of recovery codes." in ivan.browser.page.words
    await ivan.browser.submit(ivan.path("second-factor", "codes"))
    assert len(re.findall(r"<code>([0-9a-z-]{17})</code>", ivan.browser.page.text)) == 10
    await ivan.browser.get(ivan.path("second-factor"))
    assert "running out" not in ivan.browser.page.words


async def test_reloading_the_page_of_the_first_code_harms_nothing(server: WholeServer) -> None:
    judy = await person(server, "judy")
    await judy.browser.get(judy.path("second-factor", "app"))
    fields = judy.browser.page.form(judy.path("second-factor", "app")).fields
    await judy.set_up_app()
    assert judy.app is not None
    answer = await judy.browser.post(judy.path("second-factor", "app"), fields | {"code": judy.app.now()})
    assert answer.headers["location"] == judy.path("second-factor")
    await judy.browser.follow(answer)
    assert "Left: 10 of 10" in judy.browser.page.words


async def test_an_answer_of_no_passkey_is_refused_and_asked_for_again(server: WholeServer) -> None:
    kim = await person(server, "kim")
    await kim.browser.get(kim.path("second-factor", "passkey"))
    for answer in ("", "{}", "[1", '{"id": 1}', "x" * 10_000):
        await kim.browser.submit(kim.path("second-factor", "passkey"), passkey=answer)
        assert kim.browser.answer.status_code == 400
        assert "The passkey was not set up." in kim.browser.page.words


async def test_on_the_way_to_an_app_the_factor_is_asked_for_too(server: WholeServer) -> None:
    lena = await person(server, "lena")
    await lena.set_up_app()
    browser = await opened(server)
    await browser.submit(SIGN_IN, identifier="lena.test", password=PASSWORD)
    assert "Second step" in browser.page.words
    factor = "/oauth/authorize/factor"
    assert (await browser.submit(factor, code="not it")).status_code == 403
    await browser.follow(await browser.submit(factor, code=lena.codes[0]))
    assert browser.page.form(CONSENT)
    event = server.services.security_events.list_for(Did(lena.user.did), 1)[0]
    assert (event.kind, dict(event.detail)["door"], dict(event.detail)["factor"]) == (
        "signed_in",
        "authorize",
        "recovery_code",
    )


async def test_who_signed_in_without_the_factor_lets_no_app_in_once_there_is_one(server: WholeServer) -> None:
    mona = await person(server, "mona")
    elsewhere = Browser(server.http)
    await mona.give_password(elsewhere)
    asking = await opened(server, browser=elsewhere)
    consent = asking.page.form(CONSENT)
    await mona.set_up_app()
    answer = await asking.post(CONSENT, consent.fields | {"decision": "allow"})
    assert answer.headers["location"].startswith("/oauth/authorize/resume?"), "no code"
    await opened(server, browser=elsewhere)
    assert elsewhere.page.form(SIGN_IN)
    # Who set it up has shown it.
    await opened(server, browser=mona.browser)
    assert mona.browser.page.form(CONSENT)


async def test_a_factor_that_comes_while_the_password_is_looked_at_was_not_given(
    server: WholeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nina = await person(server, "nina")
    late, browsers = Browser(server.http), server.services.browsers
    sign_in = browsers.sign_in

    async def after_the_factor(*given: Any, **more: Any) -> str:
        await nina.set_up_app()
        return await sign_in(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(browsers, "sign_in", after_the_factor)
        await nina.give_password(late)
    await late.get(nina.path("password"))
    assert nina.is_asked(late)


async def test_what_an_app_is_given_is_not_what_another_browser_was_shown(server: WholeServer) -> None:
    olga = await person(server, "olga")
    thief = Browser(server.http)
    await olga.give_password(thief)

    async def shown(browser: Browser) -> str:
        await browser.get(olga.path("second-factor", "app"))
        [secret] = re.findall(r"secret=([A-Z2-7]{32})", browser.page.text)
        return str(secret)

    seen = await shown(thief)
    assert await shown(olga.browser) == await shown(olga.browser) != seen
    await olga.browser.submit(olga.path("second-factor", "app"), code=TOTP(seen).now())
    assert olga.browser.answer.status_code == 400
    await olga.set_up_app()
    given = {"identifier": "olga.test", "password": PASSWORD, "authFactorToken": TOTP(seen).at(time.time() + 30)}
    answer = await server.http.post("/xrpc/com.atproto.server.createSession", json=given)
    assert answer.status_code == 400


async def test_what_is_shown_once_has_no_links_to_other_languages(server: WholeServer) -> None:
    rita = await person(server, "rita")
    await rita.set_up_app()
    assert "Deutsch" not in rita.browser.page.words
    assert "they are shown this once" in rita.browser.page.words
    await rita.browser.get(rita.path("app-passwords"))
    assert "Deutsch" in rita.browser.page.words
    await rita.browser.submit(rita.path("app-passwords"), name="My app")
    assert "it is shown this once" in rita.browser.page.words
    assert "Deutsch" not in rita.browser.page.words


async def test_after_too_many_wrong_codes_the_same_form_takes_a_recovery_code_and_says_so(server: WholeServer) -> None:
    pia = await person(server, "pia")
    await pia.set_up_app()
    other, step = Browser(server.http), "/account/sign-in/factor"
    await pia.give_password(other)
    await other.submit(step, code=pia.first_code)
    assert "This code was used already. Wait until your app shows the next one" in other.page.words
    for _ in range(5):
        await other.submit(step, code=pia.wrong_code())
    assert "Wait a quarter of an hour at least, or use a recovery code." in other.page.words
    await other.follow(await other.submit(step, code=pia.codes[0]))
    assert other.answer.status_code == 200
    assert "pia.test" in other.page.words


async def test_without_javascript_no_form_for_a_passkey_is_shown(server: WholeServer) -> None:
    quin = await person(server, "quin")
    await quin.browser.get(quin.path("second-factor", "passkey"))
    [form] = [tag for tag in quin.browser.page.all("form") if tag.get("id") == "new-passkey"]
    assert "hidden" in form
