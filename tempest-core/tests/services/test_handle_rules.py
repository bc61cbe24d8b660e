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


def test_a_domain_within_a_domain_has_handles_of_its_own() -> None:
    rules = HandleRules([".example.com", ".people.example.com"], "social.example.com")
    assert rules.parse("alice.people.example.com") == "alice.people.example.com"
    assert rules.parse("alice.example.com") == "alice.example.com"
    with pytest.raises(InvalidHandle):
        rules.parse("alice.pets.example.com")
    # Whoever had one of these would answer for the server, or for the names of others.
    for host in ("social.example.com", "people.example.com"):
        with pytest.raises(HandleNotAvailable):
            rules.parse(host)


@pytest.mark.parametrize(
    "front",
    ["nigger", "n1gg3r", "ni99er", "my-nigga", "xniggazx", "n-i-g-g-e-r", "nig-ger", "faggot", "f4gg0t", "faaaggots",
     "chink", "ch1nks", "chink88", "gook", "kike", "k1ke", "kikes", "dirty-kikes", "coon", "c00n", "tranny", "trannies",
     "spic", "sp1c5", "wetback", "NIGGER"],
)  # fmt: skip
@pytest.mark.parametrize("domain", [".test", ".pds.example.com"])
def test_a_slur_is_nobodys_handle_here(front: str, domain: str) -> None:
    with pytest.raises(InvalidHandle, match="Inappropriate language"):
        RULES.parse(f"{front}{domain}")


@pytest.mark.parametrize(
    "front",
    ["cocoon", "raccoon", "tycoon", "mainecoon", "maine-coon", "carrie-coon", "chris-coons", "kike-garcia", "kikelomo",
     "sniggers", "niggardly", "niggling", "niger", "nigeria", "nigella", "renege", "spice", "hospice", "suspicious",
     "spic-and-span", "splc", "fagott", "fagus", "chinking", "gobbledygook", "go-ok", "con", "brittany", "tran-ny",
     "hannig-gallery", "dennig-garden", "bigger-n", "trigger", "vinegar", "scunthorpe", "sussex", "pakistan",
     "dickens", "shiitake", "analyst", "cockburn"],
)  # fmt: skip
def test_a_word_that_only_looks_like_a_slur_is_a_handle(front: str) -> None:
    assert RULES.parse(f"{front}.test") == f"{front}.test"


def test_a_handle_of_somebodys_own_domain_is_not_judged() -> None:
    assert RULES.parse("chink.example.net") == "chink.example.net"


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
