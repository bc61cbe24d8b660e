"""What the DID says after a move: keys, handle, document; and the forms in which an owner gives a key."""

import pytest

from tempest_pds.migration.errors import MigrationError
from tempest_pds.migration.move import Description
from tempest_pds.migration.preflight import choose_handle
from tempest_pds.migration.secret_key import parse_secret_key
from tempest_pds.migration.steps.did import Credentials, kept_rotation_keys, wanted_rotation_keys, web_document
from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.crypto.keys import generate_k256, generate_p256
from tempest_pds.protocol.identity.did_document import DidDocument, build_did_document
from tempest_pds.protocol.syntax.did import Did

KEY = generate_k256()


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (kept_rotation_keys(["old"], ["old"]), []),
        (kept_rotation_keys(["mine", "old"], ["old"]), ["mine"]),
        (kept_rotation_keys(["mine", "old"], None), []),
        (kept_rotation_keys(["mine", "old"], None, own_key="mine"), ["mine"]),
        (kept_rotation_keys(["first", "mine", "old"], ["old"], own_key="mine"), ["first", "mine"]),
        (kept_rotation_keys(["first", "old"], ["old"], dropped=["first"]), []),
        (kept_rotation_keys(["mine", "old"], ["old"], recovery_keys=["safe"]), ["safe", "mine"]),
        (kept_rotation_keys(["mine", "safe"], [], recovery_keys=["safe"]), ["safe", "mine"]),
    ],
)
def test_keys_of_the_owner_stay_above_the_target_s(kept: list[str], expected: list[str]) -> None:
    assert kept == expected
    assert wanted_rotation_keys(kept, ["new"]) == [*expected, "new"]


def test_too_many_keys_are_named_before_the_directory_refuses_them() -> None:
    with pytest.raises(MigrationError, match="--drop-rotation-key \\(a, b, c, d, e\\)"):
        wanted_rotation_keys(["a", "b", "c", "d", "e"], ["new"])


def test_a_did_keeps_a_key_in_any_case() -> None:
    with pytest.raises(MigrationError, match="no rotation key"):
        wanted_rotation_keys([], [])


def description(*domains: str) -> Description:
    return Description("did:web:server", domains, invite_required=False, blob_limit=None)


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        (None, "alice.old.com", "alice.new.com"),
        (None, "alice.com", "alice.com"),
        (None, "alice.new.com", "alice.new.com"),
        ("@Bob.New.com", "alice.old.com", "bob.new.com"),
        (None, None, ""),
    ],
)
def test_a_name_of_the_source_becomes_one_of_the_target(wanted: str | None, current: str | None, expected: str) -> None:
    assert choose_handle(wanted, current, description(".old.com"), description(".new.com", ".new.org")) == expected


def test_the_document_of_a_did_web_keeps_what_else_it_says() -> None:
    did = Did("did:web:alice.com")
    old = build_did_document(did, "alice.old.com", KEY.public.did_key, "https://old.com")
    old["alsoKnownAs"].append("https://alice.com/about")
    label_key = {"id": "#atproto_label", "type": "Multikey", "controller": did, "publicKeyMultibase": "zQ3label"}
    labeler = {"id": "#atproto_labeler", "type": "AtprotoLabeler", "serviceEndpoint": "https://labeler.com"}
    old["verificationMethod"].append(label_key)
    old["service"].append(labeler)
    old["controller"] = "did:web:somebody"
    key = generate_k256().public.did_key
    credentials = Credentials("alice.new.com", key, "https://new.com", ())
    made = web_document(DidDocument.parse(old), credentials)
    document = DidDocument.parse(made)
    assert credentials.are_in(document)
    assert credentials.lacking(DidDocument.parse(old)) == ["server", "signing key", "handle"]
    assert made["alsoKnownAs"] == ["at://alice.new.com", "https://alice.com/about"]
    assert made["verificationMethod"][1:] == [label_key]
    assert made["service"][1:] == [labeler]
    assert made["controller"] == "did:web:somebody"


P256 = generate_p256()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY.raw.hex(), KEY.public),
        (f"0x{KEY.raw.hex().upper()}\n", KEY.public),
        (f"k256 {KEY.raw.hex()}\n", KEY.public),
        (f"p256 {P256.raw.hex()}\n", P256.public),
        ("z" + base58.encode(b"\x81\x26" + KEY.raw), KEY.public),
        ("z" + base58.encode(b"\x86\x26" + P256.raw), P256.public),
    ],
    ids=["hex", "0x", "k256", "p256", "multikey of k256", "multikey of p256"],
)
def test_a_secret_key_is_read_as_tools_write_it(text: str, expected: object) -> None:
    assert parse_secret_key(text, "a file").public == expected


@pytest.mark.parametrize(
    "text",
    ["", "0" * 64, "z", "zQ3sh", KEY.public.did_key, KEY.raw.hex()[:-1]],
    ids=["nothing", "zero", "z", "a beginning", "a public key", "a digit short"],
)
def test_anything_else_is_no_secret_key(text: str) -> None:
    with pytest.raises(MigrationError, match="a file is no secret key") as refused:
        parse_secret_key(text, "a file")
    assert len(text) < 5 or text not in str(refused.value), "it may be most of one"
