"""Which addresses an account may have: none that is thrown away after a day."""

import pytest
from disposable_email_domains import blocklist
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.email_rules import EmailRules
from tempest_pds.services.errors import InvalidRequest


@pytest.mark.parametrize(
    "domain",
    ["mailinator.com", "MAILINATOR.com", "guerrillamail.com", "10minutemail.com", "yopmail.com", "a.b.mailinator.com"],
)
def test_a_disposable_address_is_refused(domain: str) -> None:
    with pytest.raises(InvalidRequest, match="not supported, please use a different email"):
        EmailRules().parse(f"alice@{domain}")


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "gmail.com",
        "proton.me",
        "duck.com",
        "privaterelay.appleid.com",
        "mailinator.com.example.org",
        "mail.co.uk",
    ],
)
def test_a_lasting_one_is_taken(domain: str) -> None:
    assert EmailRules().parse(f"Alice@{domain}") == f"alice@{domain}"


def test_the_operator_adds_domains_with_all_below_them() -> None:
    rules = EmailRules(blocked=["spam.example"])
    for domain in ("spam.example", "a.SPAM.example"):
        with pytest.raises(InvalidRequest):
            rules.parse(f"alice@{domain}")
    assert rules.parse("alice@notspam.example") == "alice@notspam.example"


def test_the_operator_lets_in_what_is_listed() -> None:
    rules = EmailRules(blocked=["spam.example"], allowed=["mailinator.com", "good.spam.example"])
    assert rules.parse("alice@mailinator.com") == "alice@mailinator.com"
    assert rules.parse("alice@a.good.spam.example") == "alice@a.good.spam.example"
    with pytest.raises(InvalidRequest):
        rules.parse("alice@bad.spam.example")


@given(st.sampled_from(sorted(blocklist)), st.sampled_from(["", "mail.", "a.b."]))
def test_every_domain_of_the_list_is_refused_with_all_below_it(domain: str, below: str) -> None:
    with pytest.raises(InvalidRequest):
        EmailRules().parse(f"alice@{below}{domain}")


def test_the_list_blocks_no_whole_top_level_domain() -> None:
    assert all("." in domain for domain in blocklist)
