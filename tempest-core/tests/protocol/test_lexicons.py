"""Records and methods checked by the shipped lexicons."""

from typing import Any

import pytest

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.lexicon.errors import (
    InvalidInput,
    InvalidOutput,
    InvalidParams,
    InvalidRecord,
    UnknownLexicon,
)
from tempest_pds.protocol.lexicon.lexicons import Lexicons

POST = "app.bsky.feed.post"
IMAGE: dict[str, Any] = {"$type": "blob", "ref": CID.for_raw(b"image"), "mimeType": "image/jpeg", "size": 5}


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    return Lexicons()


def post(**more: Any) -> dict[str, Any]:
    return {"$type": POST, "text": "hello", "createdAt": "2024-01-01T00:00:00.000Z", **more}


def failure(lexicons: Lexicons, record: Any, nsid: str = POST) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        lexicons.validate_record(nsid, record)
    return caught.value


def test_every_shipped_document_compiles_and_its_references_lead_somewhere(lexicons: Lexicons) -> None:
    for nsid in lexicons:
        lexicons.verify(nsid)
    assert len(list(lexicons)) >= 394


def test_a_record_that_matches_passes(lexicons: Lexicons) -> None:
    lexicons.validate_record(POST, post(langs=["en"], extra={"anything": [None]}))


def test_a_message_says_what_is_wrong_and_where(lexicons: Lexicons) -> None:
    images = {"$type": "app.bsky.embed.images", "images": [{"alt": "x", "image": IMAGE}, {"alt": 5, "image": IMAGE}]}
    error = failure(lexicons, post(embed=images))
    assert (error.path, error.message) == ("$.record.embed.images[1].alt", "Expected string value type (got 5)")
    assert str(error) == f"Invalid {POST} record: {error.message} at {error.path}"


def test_the_path_starts_where_the_caller_says(lexicons: Lexicons) -> None:
    with pytest.raises(InvalidRecord) as caught:
        lexicons.validate_record(POST, post(text=1), path="$.writes[3].value")
    assert caught.value.path == "$.writes[3].value.text"


@pytest.mark.parametrize(
    "record", [None, [], "x", {}, {"$type": POST}, {"$type": "a.b.c", "text": "", "createdAt": ""}]
)
def test_what_is_no_post_at_all_is_refused(lexicons: Lexicons, record: Any) -> None:
    failure(lexicons, record)


def test_a_record_must_bear_its_type(lexicons: Lexicons) -> None:
    record = post()
    del record["$type"]
    assert failure(lexicons, record).message == f'Expected "{POST}" (got undefined)'


def test_text_is_measured_in_graphemes_and_in_bytes(lexicons: Lexicons) -> None:
    lexicons.validate_record(POST, post(text="é" * 300))
    assert failure(lexicons, post(text="é" * 301)).message == "grapheme too big (maximum 300, got 301)"
    assert failure(lexicons, post(text="👨‍👩‍👧‍👦" * 121)).message == "string too big (maximum 3000, got 3025)"


def test_blobs_are_held_to_accept_and_max_size(lexicons: Lexicons) -> None:
    def profile(**blob: Any) -> dict[str, Any]:
        return {"$type": "app.bsky.actor.profile", "avatar": {**IMAGE, **blob}}

    lexicons.validate_record("app.bsky.actor.profile", profile())
    for wrong in (
        {"mimeType": "image/gif"},
        {"size": 1_000_001},
        {"size": -1},
        {"ref": CID.for_dag_cbor(b"x")},
        {"x": 1},
    ):
        failure(lexicons, profile(**wrong), "app.bsky.actor.profile")


def test_a_blob_reference_of_the_old_form_is_refused(lexicons: Lexicons) -> None:
    record = {"$type": "app.bsky.actor.profile", "avatar": {"cid": str(IMAGE["ref"]), "mimeType": "image/jpeg"}}
    assert failure(lexicons, record, "app.bsky.actor.profile").path == "$.record.avatar"


def test_a_union_is_open_unless_it_is_closed(lexicons: Lexicons) -> None:
    lexicons.validate_record(POST, post(embed={"$type": "com.example.other", "x": 1}))
    write = {"$type": "com.example.other", "collection": "a.b.c"}
    method = lexicons.method("com.atproto.repo.applyWrites")
    assert method is not None
    with pytest.raises(InvalidInput):
        method.parse_input({"repo": "alice.test", "writes": [write]})


def test_validation_leaves_records_as_they_are(lexicons: Lexicons) -> None:
    record = post(embed={"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": dict(IMAGE)}]})
    before = repr(record)
    lexicons.validate_record(POST, record)
    assert repr(record) == before


@pytest.mark.parametrize(
    ("nsid", "good", "bad"),
    [
        (POST, "3k2yihcrp6f2c", "self"),
        ("app.bsky.actor.profile", "self", "3k2yihcrp6f2c"),
        ("app.bsky.feed.generator", "my-feed", "my/feed"),
        ("com.atproto.lexicon.schema", "com.example.thing", "thing"),
    ],
)
def test_record_keys_are_of_the_kind_that_the_lexicon_asks_for(
    lexicons: Lexicons, nsid: str, good: str, bad: str
) -> None:
    lexicons.validate_record_key(nsid, good)
    with pytest.raises(InvalidRecord, match=f"Invalid record key for {nsid}: "):
        lexicons.validate_record_key(nsid, bad)


@pytest.mark.parametrize(
    "nsid", ["com.example.unknown", "com.atproto.repo.getRecord", "app.bsky.feed.defs", "../x", "App.bsky.feed.post"]
)
def test_what_is_no_known_record_is_an_unknown_lexicon(lexicons: Lexicons, nsid: str) -> None:
    assert lexicons.record(nsid) is None
    with pytest.raises(UnknownLexicon):
        lexicons.validate_record(nsid, {"$type": nsid})
    with pytest.raises(UnknownLexicon):
        lexicons.validate_record_key(nsid, "self")


def test_has_knows_every_document(lexicons: Lexicons) -> None:
    assert lexicons.has("app.bsky.feed.defs")
    assert not lexicons.has("com.example.unknown")


def test_a_permission_set_is_at_hand_as_a_document(lexicons: Lexicons) -> None:
    document = lexicons.document("app.bsky.authCreatePosts")
    assert document is not None
    assert document["defs"]["main"]["type"] == "permission-set"


def test_a_method_describes_itself(lexicons: Lexicons) -> None:
    method = lexicons.method("com.atproto.repo.createRecord")
    assert method is not None
    assert (method.kind, method.input_encoding, method.output_encoding) == (
        "procedure",
        "application/json",
        "application/json",
    )
    assert method.errors == ("InvalidSwap",)
    assert method.has_input_schema


@pytest.mark.parametrize("nsid", ["com.example.unknown", POST, "app.bsky.feed.defs", ""])
def test_what_is_no_method_has_no_schema(lexicons: Lexicons, nsid: str) -> None:
    assert lexicons.method(nsid) is None


def test_a_body_is_accepted_by_its_content_type(lexicons: Lexicons) -> None:
    create, upload, get, video = (
        lexicons.method(f"com.atproto.repo.{name}")
        for name in ("createRecord", "uploadBlob", "getRecord", "importRepo")
    )
    assert create is not None
    assert upload is not None
    assert get is not None
    assert video is not None
    assert create.accepts("application/json; charset=utf-8")
    assert not create.accepts("text/plain")
    assert not create.accepts(None)
    assert upload.accepts("image/png")
    assert not upload.has_input_schema
    assert not get.accepts("application/json")
    assert video.accepts("application/vnd.ipld.car")


def test_params_are_typed_and_completed(lexicons: Lexicons) -> None:
    method = lexicons.method("com.atproto.repo.listRecords")
    assert method is not None
    pairs = [("repo", "alice.test"), ("collection", POST), ("reverse", "true"), ("cursor", ""), ("other", "1")]
    assert method.parse_params(pairs) == {"repo": "alice.test", "collection": POST, "reverse": True, "limit": 50}


def test_params_given_repeatedly_are_an_array(lexicons: Lexicons) -> None:
    method = lexicons.method("app.bsky.actor.getProfiles")
    assert method is not None
    assert method.parse_params([("actors", "a.test"), ("actors", "b.test")]) == {"actors": ["a.test", "b.test"]}
    assert method.parse_params([("actors", "a.test")]) == {"actors": ["a.test"]}


@pytest.mark.parametrize(
    ("pairs", "message", "path"),
    [
        ([], 'Missing required key "repo"', "$"),
        ([("repo", "x")], 'Invalid AT identifier (got "x")', "$.repo"),
        ([("repo", "a.test"), ("limit", "ten")], 'Expected integer value type (got "ten")', "$.limit"),
        (
            [("repo", "a.test"), ("collection", POST), ("limit", "101")],
            "integer too big (maximum 100, got 101)",
            "$.limit",
        ),
        ([("repo", "a.test"), ("repo", "b.test")], 'Expected string value type (got ["a.test", "b.test"])', "$.repo"),
        ([("limit", "9" * 5000)], f'Expected integer value type (got "{"9" * 255}…")', "$.limit"),
        ([("reverse", "yes")], 'Expected boolean value type (got "yes")', "$.reverse"),
    ],
)
def test_wrong_params_are_refused(lexicons: Lexicons, pairs: list[tuple[str, str]], message: str, path: str) -> None:
    method = lexicons.method("com.atproto.repo.listRecords")
    assert method is not None
    with pytest.raises(InvalidParams) as caught:
        method.parse_params(pairs)
    assert (caught.value.message, caught.value.path) == (message, path)
    assert str(caught.value) == f"Invalid com.atproto.repo.listRecords params: {message}"


def test_an_input_is_completed_in_a_copy(lexicons: Lexicons) -> None:
    method = lexicons.method("com.atproto.server.createInviteCodes")
    assert method is not None
    body = {"useCount": 1}
    assert method.parse_input(body) == {"useCount": 1, "codeCount": 1}
    assert body == {"useCount": 1}


def test_a_wrong_input_is_refused(lexicons: Lexicons) -> None:
    method = lexicons.method("com.atproto.repo.createRecord")
    assert method is not None
    with pytest.raises(InvalidInput) as caught:
        method.parse_input({"repo": "alice.test", "collection": "x", "record": {}})
    assert str(caught.value) == 'Invalid NSID (got "x") at $.collection'


def test_outputs_and_messages_of_ours_can_be_checked(lexicons: Lexicons) -> None:
    method = lexicons.method("com.atproto.server.createInviteCode")
    stream = lexicons.method("com.atproto.sync.subscribeRepos")
    assert method is not None
    assert stream is not None
    method.validate_output({"code": "x"})
    with pytest.raises(InvalidOutput):
        method.validate_output({})
    stream.validate_message({"$type": "com.atproto.sync.subscribeRepos#info", "name": "OutdatedCursor"})
    with pytest.raises(InvalidOutput):
        stream.validate_message({"$type": "com.atproto.sync.subscribeRepos#info"})
