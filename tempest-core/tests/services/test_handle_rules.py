import pytest

from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.email_rules import parse_email
from tempest_pds.services.errors import HandleNotAvailable, InvalidHandle, InvalidRequest
from tempest_pds.services.handle_rules import HandleRules

RULES = HandleRules([".pds.example.com", ".test"])


@pytest.mark.parametrize(
    "text",
    [
        "abc.test",
        "alice.pds.example.com",
        "a" * 18 + ".test",
        "a-b.test",
        "Alice.Test",
        "alice.other.com",
        "x.other.com",
    ],
)
def test_a_handle_within_the_rules_is_taken_in_lower_case(text: str) -> None:
    assert RULES.parse(text) == text.lower()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ab.test", InvalidHandle),
        ("a" * 19 + ".test", InvalidHandle),
        ("a.b.test", InvalidHandle),
        ("-ab.test", InvalidHandle),
        ("alice", InvalidHandle),
        ("al ice.test", InvalidHandle),
        ("alice_.test", InvalidHandle),
        ("alice.localhost", InvalidHandle),
        ("alice.invalid", InvalidHandle),
        ("admin.test", HandleNotAvailable),
        ("ADMIN.test", HandleNotAvailable),
        ("www.pds.example.com", HandleNotAvailable),
    ],
)
def test_a_handle_against_the_rules_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        RULES.parse(text)


def test_an_administrator_may_give_out_a_reserved_name() -> None:
    assert RULES.parse("admin.test", allow_reserved=True) == "admin.test"


@pytest.mark.parametrize(
    ("text", "hosted", "ours"), [("a.test", True, True), ("pds.example.com", False, True), ("b.com", False, False)]
)
def test_a_domain_itself_is_ours_but_not_hosted(text: str, hosted: bool, ours: bool) -> None:
    handle = Handle.parse(text)
    assert (RULES.is_hosted(handle), RULES.is_ours(handle)) == (hosted, ours)


@pytest.mark.parametrize(
    "text", ["alice@example.com", "a.b+c@mail.example.co.uk", "Alice@Example.COM", "o'neill@x-y.org"]
)
def test_an_address_that_takes_mail_is_taken(text: str) -> None:
    assert parse_email(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    ["", "alice", "alice@", "@example.com", "a@b", "a b@example.com", "a@example..com", ".a@example.com", "a@-x.com",
     "a@example.com\r\nBcc: all@example.com", "a@[127.0.0.1]", "a" * 65 + "@example.com", "a@" + "x" * 250 + ".com"],
)  # fmt: skip
def test_an_address_that_takes_no_mail_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_email(text)
