"""Identifiers: a few plain cases each; `tests/interop` compares thousands with the reference."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.at_identifier import is_at_identifier, parse_at_identifier
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.cid_text import is_cid_text
from tempest_pds.protocol.syntax.datetime import Datetime
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.language import Language
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.repo_path import parse_repo_path
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.protocol.syntax.uri import Uri

CLASSES: list[Any] = [Did, Handle, Nsid, RecordKey, Tid, AtUri, Uri, Language, Datetime]
PREDICATES: list[Callable[[str], bool]] = [*(cls.is_valid for cls in CLASSES), is_at_identifier, is_cid_text]


def test_a_did_has_a_method_and_an_identifier() -> None:
    did = Did.parse("did:web:localhost%3A8080")
    assert (did.method, did.identifier) == ("web", "localhost%3A8080")


def test_a_handle_is_folded_to_lower_case() -> None:
    assert Handle.parse("Alice.Example.COM") == "alice.example.com"


@pytest.mark.parametrize(("handle", "disallowed"), [("a.test", False), ("a.local", True), ("local.com", False)])
def test_some_top_level_domains_cannot_be_registered(handle: str, disallowed: bool) -> None:
    assert Handle.parse(handle).is_disallowed_tld is disallowed


def test_an_at_identifier_is_a_did_or_a_handle() -> None:
    assert isinstance(parse_at_identifier("did:plc:abc"), Did)
    assert isinstance(parse_at_identifier("Alice.test"), Handle)
    with pytest.raises(InvalidSyntax):
        parse_at_identifier("did:plc:")


def test_an_nsid_has_an_authority_and_a_name() -> None:
    nsid = Nsid.parse("app.bsky.feed.post")
    assert (nsid.authority, nsid.name) == ("feed.bsky.app", "post")


def test_an_at_uri_names_its_parts() -> None:
    uri = AtUri.parse("at://Alice.test/app.bsky.feed.post/self#/text")
    assert (uri.authority, uri.collection, uri.rkey, uri.fragment) == (
        "alice.test",
        "app.bsky.feed.post",
        "self",
        "/text",
    )


def test_an_at_uri_may_name_only_an_account() -> None:
    uri = AtUri.parse("at://did:plc:abc")
    assert (uri.authority, uri.collection, uri.rkey, uri.fragment) == ("did:plc:abc", None, None, None)


def test_an_at_uri_is_made_of_parts() -> None:
    uri = AtUri.make(Did("did:plc:abc"), Nsid("a.b.c"), RecordKey("self"))
    assert uri == "at://did:plc:abc/a.b.c/self"
    assert AtUri.is_valid(uri)


def test_a_repo_path_is_a_collection_and_a_record_key() -> None:
    assert parse_repo_path("a.b.c/x") == ("a.b.c", "x")


@pytest.mark.parametrize("path", ["", "a.b.c", "a.b.c/", "/x", "a.b.c/x/y", "a.b/x", "a.b.c/.."])
def test_anything_else_is_no_repo_path(path: str) -> None:
    with pytest.raises(InvalidSyntax):
        parse_repo_path(path)


@pytest.mark.parametrize("cls", CLASSES)
@given(text=st.text(max_size=40))
def test_parsing_agrees_with_is_valid(cls: Any, text: str) -> None:
    if cls.is_valid(text):
        assert cls.parse(text).lower() == text.lower()
    else:
        with pytest.raises(InvalidSyntax):
            cls.parse(text)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_line_break_at_the_end_is_never_overlooked(cls: Any) -> None:
    valid = ["did:plc:abc", "alice.test", "a.b.c", "3jzfcijpj2z2a", "at://alice.test", "en", "1985-04-12T23:20:50.123Z"]
    assert any(cls.is_valid(text) for text in valid)
    assert not any(cls.is_valid(text + "\n") for text in valid)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a" * 100_000,
            "a." * 50_000,
            "a-" * 50_000,
            "did:a:" + ":" * 100_000,
            "at://" + "a." * 50_000,
            "-" * 100_000,
        ),
        *("en" + "-abcde" * 20_000, "en-a" + "-bb" * 30_000, "x" + "-a" * 50_000 + "-", "a:" + "/" * 100_000),
        *("at://a.test#/" + "%41" * 30_000 + "%", "b" + "a" * 100_000, "Q" * 100_000, "0" * 100_000),
    ],
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    started = time.process_time()
    for is_valid in PREDICATES:
        is_valid(text)
    assert time.process_time() - started < 0.5
