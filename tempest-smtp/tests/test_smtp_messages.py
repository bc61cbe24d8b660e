"""The bytes of a mail: what a receiving program finds in them, and that nothing given to a header leaves it."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tempest_pds_plugins import InvalidMail, Mail
from tempest_pds_smtp.addresses import UnusableAddress, ascii_domain, smtp_address
from tempest_pds_smtp.message import Message, compose

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def composed(mail: Mail, from_name: str = "Tempest", from_address: str = "pds@example.com") -> Message:
    return compose(mail, from_name=from_name, from_address=from_address, date=NOW)


def parsed(mail: Mail, from_name: str = "Tempest", from_address: str = "pds@example.com") -> EmailMessage:
    return message_from_bytes(composed(mail, from_name, from_address).content, policy=policy.default)


def bare(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def test_a_mail_says_who_when_and_that_nobody_wrote_it() -> None:
    message = parsed(Mail("alice@example.org", "Your code", "text\n", id="abc-1"))
    assert message["From"] == "Tempest <pds@example.com>"
    assert message["To"] == "alice@example.org"
    assert parsedate_to_datetime(message["Date"]) == NOW
    assert message["Message-ID"] == "<abc-1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"


def test_the_same_mail_has_the_same_message_id_and_two_mails_have_two() -> None:
    again, other = Mail("a@example.org", "s", "t", id="one"), Mail("a@example.org", "s", "t")
    assert parsed(again)["Message-ID"] == parsed(again)["Message-ID"]
    assert parsed(other)["Message-ID"] != parsed(other)["Message-ID"]


def test_text_and_html_are_alternatives_the_text_first() -> None:
    message = parsed(Mail("a@example.org", "s", "plain é\n", "<p>rich é</p>\n"))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content() for part in message.iter_parts()] == ["plain é\r\n", "<p>rich é</p>\r\n"]


def test_a_mail_of_text_alone_has_one_part() -> None:
    assert parsed(Mail("a@example.org", "s", "plain\n")).get_content_type() == "text/plain"


@pytest.mark.parametrize("name", ["Tempest", "Tempest, Inc.", 'The "best" \\ PDS', "Büro Ünïcödé — 日本語", "=?x?="])
def test_the_senders_name_survives(name: str) -> None:
    [sender] = parsed(Mail("a@example.org", "s", "t"), from_name=name)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "pds@example.com")


def test_a_senders_name_of_many_encoded_words_survives() -> None:
    name = "Büro Ünïcödé — 日本語" * 4
    message = message_from_bytes(composed(Mail("a@example.org", "s", "t"), from_name=name).content)
    assert str(make_header(decode_header(message["From"]))) == f"{name} <pds@example.com>"


def test_without_a_name_the_address_stands_alone() -> None:
    assert parsed(Mail("a@example.org", "s", "t"), from_name="")["From"] == "pds@example.com"


# How long an example takes says more about what else the machine is doing than about the code.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    subject=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200),
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=600),
)
@example(subject="=?utf-8?q?Bcc:_all=40example.com?=", text=".\r\n.\r\nFrom here\n")
@example(subject="x\u2028Bcc: all@example.com\u0085y", text="a" * 3000)
def test_every_mail_is_ascii_in_short_lines_and_reads_as_it_was_written(subject: str, text: str) -> None:
    content = composed(Mail("a@example.org", subject, text)).content
    assert content.isascii()
    lines = content.split(b"\r\n")
    assert all(len(line) <= 78 and b"\r" not in line and b"\n" not in line for line in lines)
    assert not any(line.startswith(b"From ") for line in lines)
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert names[:6] == [b"Date", b"From", b"To", b"Subject", b"Message-ID", b"Auto-Submitted"]
    assert set(names[6:]) == {b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"}
    message = message_from_bytes(content, policy=policy.default)
    assert message["Subject"].encode() == subject.encode()
    # SMTP has one kind of line end, and a text ends with one.
    assert bare(message.get_content()) == bare(text)


@pytest.mark.parametrize("to", ["a@example.org\r\nBcc: all@example.com", "a@example.org\nX", "a b@example.org", "a"])
def test_a_recipient_that_would_break_out_is_no_mail(to: str) -> None:
    with pytest.raises(InvalidMail):
        Mail(to, "subject", "text")


@pytest.mark.parametrize("subject", ["s\r\nBcc: all@example.com", "s\nX-Y: z", "s\x00"])
def test_a_subject_that_would_break_out_is_no_mail(subject: str) -> None:
    with pytest.raises(InvalidMail):
        Mail("a@example.org", subject, "text")


@pytest.mark.parametrize("field", ["to", "subject", "text", "html"])
def test_half_a_character_is_no_mail(field: str) -> None:
    with pytest.raises(InvalidMail):
        Mail(**({"to": "a@example.org", "subject": "s", "text": "t"} | {field: "a\ud800@example.org"}))


@pytest.mark.parametrize("id_", ["a b", "a>", "a@b", "é"])
def test_an_id_that_would_break_a_header_is_no_mail(id_: str) -> None:
    with pytest.raises(InvalidMail):
        Mail("a@example.org", "s", "t", id=id_)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("alice@example.org", "alice@example.org"),
        ("Alice.O'Neil+tag@Example.ORG", "Alice.O'Neil+tag@Example.ORG"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        # Another domain than fass.example, which Python's own codec makes of it.
        ("alice@faß.example", "alice@xn--fa-hia.example"),
        ("jøran@example.org", "jøran@example.org"),
    ],
)
def test_an_address_gets_its_domain_in_ascii(given_: str, expected: str) -> None:
    assert smtp_address(given_) == expected


@pytest.mark.parametrize(
    "address",
    [
        "alice(comment)@example.org",
        '"alice"@example.org',
        "alice@[127.0.0.1]",
        "alice@example..org",
        "alice@-example.org",
        "a@b@example.org",
        "@example.org",
        "alice@",
        "alice\u2028@example.org",
        "alice@exa\u202emple.org",
        "alice@" + "a" * 300 + ".org",
    ],
)
def test_an_address_that_could_mean_another_is_not_used(address: str) -> None:
    with pytest.raises(UnusableAddress) as caught:
        smtp_address(address)
    assert address not in str(caught.value)


def test_a_host_name_beyond_ascii_is_looked_up_in_ascii() -> None:
    assert ascii_domain("mail.bücher.example") == "mail.xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("to", "from_address", "needs"),
    [
        ("a@example.org", "pds@example.com", False),
        ("a@bücher.example", "pds@bücher.example", False),
        ("jøran@example.org", "pds@example.com", True),
        ("a@example.org", "büro@example.com", True),
    ],
)
def test_utf8_is_asked_for_only_by_an_address_that_needs_it(to: str, from_address: str, needs: bool) -> None:
    message = composed(Mail(to, "Ünïcödé", "Ünïcödé", "Ünïcödé"), "Ünïcödé", from_address)
    assert message.needs_utf8 == needs
    assert message.content.isascii() == (not needs)
