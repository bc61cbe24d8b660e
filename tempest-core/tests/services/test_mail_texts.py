"""What the mails say, and that they are harmless to who reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from string import Formatter

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services import mail_texts
from tempest_pds.services.mail_texts import CODES, CodeText, MailTexts, NoticeText
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds_plugins.errors import InvalidMail
from tempest_pds_plugins.mailer import Mail

HOST, CODE = "pds.example.com", "KJ4QI-2LOX7"
DID = Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")
ALICE = Account(did=DID, handle=Handle("alice.test"), created_at=0, email="alice@example.com")
BOB = Account(did=Did("did:plc:bob"), handle=Handle("bob.test"), created_at=0)
NAMELESS = Account(did=DID, handle=None, created_at=0, email="alice@example.com")
NOTICES = [text for text in vars(mail_texts).values() if isinstance(text, NoticeText)]
# 14 November 2023, 22:13:20 UTC
UNTIL = 1_700_000_000_000_000


class Seen(HTMLParser):
    """What a reader sees of HTML, in one line, and the tags that it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._in_head = False
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_head = tag == "head" or (self._in_head and tag != "body")

    def handle_data(self, data: str) -> None:
        if not self._in_head:
            self._text.append(data)


def every_mail(texts: MailTexts, account: Account) -> list[Mail]:
    mails = [texts.code(account, purpose, CODE, UNTIL) for purpose in EmailTokenPurpose]
    notices = [notice(account) for notice in every_notice(texts)]
    mails += [notice for notice in notices if notice is not None]
    return [*mails, texts.deletion_planned(account, UNTIL), texts.address_given(account, BOB)]


def every_notice(texts: MailTexts) -> list[Callable[[Account], Mail | None]]:
    """Give what writes a notice to an account, if it has an address."""
    return [
        texts.email_changed,
        texts.email_set,
        texts.password_reset,
        texts.password_changed,
        texts.password_set,
        texts.second_step_added,
        texts.second_step_removed,
        texts.second_step_off,
        lambda account: texts.handle_changed(account, "alice.example.org"),
        texts.app_password_made,
        lambda account: texts.recovery_code_used(account, 7),
        texts.account_deleted,
    ]


def test_the_mail_that_resets_a_password_reads_like_this() -> None:
    mail = MailTexts(HOST).code(ALICE, EmailTokenPurpose.RESET_PASSWORD, CODE, UNTIL)
    assert (mail.to, mail.subject) == ("alice@example.com", "Reset the password of @alice.test")
    assert mail.text == (
        "Reset your password\n"
        "\n"
        "Somebody asked for a new password for @alice.test on pds.example.com.\n"
        "Anybody who knows your address can ask; only this mail has the code.\n"
        "\n"
        "To choose a new password, enter this code where you asked for it:\n"
        "\n"
        "    KJ4QI-2LOX7\n"
        "\n"
        "The code works once, until 22:13 UTC (15 minutes after it was asked\n"
        "for). Only you were sent it, and nobody from pds.example.com will ever\n"
        "ask you for it.\n"
        "\n"
        "If it was not you, do nothing: without the code nothing happens. Your\n"
        "password stays as it is.\n"
        "\n"
        "-- \n"
        "You get this mail because this address was given for the account\n"
        "@alice.test on pds.example.com. Replies are not read.\n"
    )


@pytest.mark.parametrize("purpose", EmailTokenPurpose)
def test_a_mail_with_a_code_names_code_account_host_and_time(purpose: EmailTokenPurpose) -> None:
    mail = MailTexts(HOST).code(ALICE, purpose, CODE, UNTIL)
    for part in (mail.text, Seen(mail.html).text):
        for needed in (CODE, "@alice.test", HOST, "22:13 UTC", "15 minutes"):
            assert needed in part, needed
    assert "alice.test" in mail.subject
    assert CODE not in mail.subject


def test_no_two_mails_have_one_subject() -> None:
    mails = every_mail(MailTexts(HOST), ALICE)
    assert len({mail.subject for mail in mails}) == len(mails) == len(EmailTokenPurpose) + len(NOTICES)


@pytest.mark.parametrize("account", [ALICE, NAMELESS])
def test_text_and_html_say_the_same(account: Account) -> None:
    for mail in every_mail(MailTexts(HOST), account):
        assert Seen(mail.html).text == " ".join(mail.text.replace("-- \n", "").split())


def test_an_account_without_a_handle_is_named_by_its_did() -> None:
    for mail in every_mail(MailTexts(HOST), NAMELESS):
        assert DID in mail.subject
        assert DID in mail.text


def test_a_notice_says_whom_to_ask() -> None:
    for texts, asked in (
        (MailTexts(HOST), f"whoever runs {HOST}"),
        (MailTexts(HOST, "op@example.com"), "op@example.com"),
    ):
        for notice in every_mail(texts, ALICE)[len(EmailTokenPurpose) :]:
            assert asked in " ".join(notice.text.split())


def test_a_time_to_come_is_told_as_people_tell_it() -> None:
    text = MailTexts(HOST).deletion_planned(ALICE, UNTIL).text
    assert "is to be deleted after 14 November 2023, 22:13 UTC:" in " ".join(text.split())


def test_there_is_no_notice_to_nobody() -> None:
    without = Account(did=DID, handle=None, created_at=0)
    assert [notice(without) for notice in every_notice(MailTexts(HOST))] == [None] * (len(NOTICES) - 2)


def test_nothing_is_fetched_run_or_clicked() -> None:
    for mail in every_mail(MailTexts(HOST), ALICE):
        seen = Seen(mail.html)
        assert {tag for tag, _ in seen.tags} <= {"html", "head", "meta", "title", "style", "body", "div", "h1", "p"}
        for _, attributes in seen.tags:
            assert set(attributes) <= {"lang", "charset", "name", "content", "style"}
        assert not re.search(r"url\(|https?:|@import|javascript", mail.html)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
    "{account.did} {host} {0} {%s}",
    "{{ 7 * 7 }} {% raw %}",
    "</p></div></body></html>",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_what_is_put_in_is_text_and_nothing_else(word: str) -> None:
    """No handle or hostname is ever like this: their syntax forbids it."""
    plain = [Seen(mail.html).tags for mail in every_mail(MailTexts(HOST), ALICE)]
    account = Account(did=DID, handle=Handle(word), created_at=0, email="alice@example.com")
    for mail, tags in zip(every_mail(MailTexts(word, word), account), plain, strict=True):
        seen = Seen(mail.html)
        assert seen.tags == tags
        assert seen.text.count(" ".join(word.split())) >= 2
        assert "49" not in seen.text
        assert word in mail.subject


@pytest.mark.parametrize("word", ["two\nlines", "a\r\nBcc: everybody@example.com", "bell\a"])
def test_no_name_breaks_a_header(word: str) -> None:
    account = Account(did=DID, handle=Handle(word), created_at=0, email="alice@example.com")
    with pytest.raises(InvalidMail):
        every_mail(MailTexts(HOST), account)


def test_a_long_name_stays_whole() -> None:
    handle = Handle(".".join(["a" * 60] * 4) + ".test")
    account = Account(did=DID, handle=handle, created_at=0, email="alice@example.com")
    for mail in every_mail(MailTexts(HOST), account):
        assert f"@{handle}" in mail.text


def test_every_purpose_has_a_text_and_no_text_has_a_word_that_nobody_fills_in() -> None:
    assert set(CODES) == set(EmailTokenPurpose)
    texts = [*CODES.values(), *NOTICES]
    sentences = [mail_texts.CODE_TERMS, mail_texts.FOOTER, mail_texts.ASK_OPERATOR, mail_texts.ASK_SOMEBODY]
    for text in texts:
        assert isinstance(text, CodeText | NoticeText)
        sentences += [getattr(text, name) for name in type(text).__slots__]  # type: ignore[attr-defined]
    words = {word for sentence in sentences for _, word, _, _ in Formatter().parse(sentence) if word is not None}
    assert words == {"account", "host", "until", "minutes", "contact", "when", "ask", "other", "handle", "left"}
