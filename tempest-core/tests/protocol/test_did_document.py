"""DID documents and did:web."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_document import DidDocument, build_did_document, format_did_document
from tempest_pds.protocol.identity.did_web import did_web_document_url, did_web_for, did_web_host
from tempest_pds.protocol.syntax.did import Did

DID = Did("did:web:example.com")
K256 = private_key(b"\x01" * 32, "k256").public
P256 = private_key(b"\x01" * 32, "p256").public

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["#atproto", "Multikey"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def parse(**fields: Any) -> DidDocument:
    return DidDocument.parse({"id": str(DID), **fields})


def test_what_is_built_reads_back() -> None:
    document = DidDocument.parse(build_did_document(DID, "alice.test", K256.did_key, "https://pds.test"))
    assert document.did == DID
    assert document.handle == "alice.test"
    assert document.signing_key == K256.did_key
    assert document.pds_endpoint == "https://pds.test"


def test_a_document_is_in_the_form_of_the_directory() -> None:
    assert build_did_document(DID, "alice.test", P256.did_key, "https://pds.test") == {
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/multikey/v1",
            "https://w3id.org/security/suites/ecdsa-2019/v1",
        ],
        "id": "did:web:example.com",
        "alsoKnownAs": ["at://alice.test"],
        "verificationMethod": [
            {
                "id": "did:web:example.com#atproto",
                "type": "Multikey",
                "controller": "did:web:example.com",
                "publicKeyMultibase": P256.multikey,
            }
        ],
        "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test"}],
    }


def test_a_key_that_is_no_did_key_is_not_written() -> None:
    with pytest.raises(InvalidSyntax):
        format_did_document(DID, [], {"atproto": K256.multikey}, {})


@pytest.mark.parametrize("json", [None, [], "did:web:a", {}, {"id": 1}, {"id": "web:a"}, {"id": None}])
def test_what_is_no_document_is_refused(json: object) -> None:
    with pytest.raises(InvalidSyntax):
        DidDocument.parse(json)


def test_a_document_with_nothing_says_nothing() -> None:
    document = parse()
    assert (document.handle, document.signing_key, document.pds_endpoint, document.also_known_as) == (
        None,
        None,
        None,
        (),
    )


@pytest.mark.parametrize(
    ("names", "handle"),
    [
        (["at://Alice.test", "at://bob.test"], "alice.test"),
        (["https://example.com", "at://bob.test"], "bob.test"),
        (["at://", "at://bob.test"], None),
        (["at://not a handle"], None),
        ([1, None, "at://bob.test"], "bob.test"),
        ("at://bob.test", None),
    ],
)
def test_the_handle_is_the_first_name_of_the_network(names: object, handle: str | None) -> None:
    assert parse(alsoKnownAs=names).handle == handle


@pytest.mark.parametrize("key", [K256, P256], ids=["k256", "p256"])
@pytest.mark.parametrize("key_id", ["#atproto", f"{DID}#atproto"])
def test_the_signing_key_is_found_by_either_form_of_its_id(key: Any, key_id: str) -> None:
    methods = [
        {"id": "#other", "type": "Multikey", "publicKeyMultibase": private_key(b"\x02" * 32).public.multikey},
        {"id": key_id, "type": "Multikey", "controller": str(DID), "publicKeyMultibase": key.multikey},
    ]
    assert parse(verificationMethod=methods).signing_key == key.did_key


@pytest.mark.parametrize(
    ("key", "kind"), [(K256, "EcdsaSecp256k1VerificationKey2019"), (P256, "EcdsaSecp256r1VerificationKey2019")]
)
def test_keys_of_old_documents_are_read(key: Any, kind: str) -> None:
    method = {"id": "#atproto", "type": kind, "publicKeyMultibase": "z" + base58.encode(key.compressed)}
    assert parse(verificationMethod=[method]).signing_key == key.did_key


@pytest.mark.parametrize(
    "method",
    [
        {"id": "#atproto"},
        {"id": "#atproto", "type": "Multikey"},
        {"id": "#atproto", "type": "Multikey", "publicKeyMultibase": 1},
        {"id": "#atproto", "type": "Multikey", "publicKeyMultibase": "zQ3"},
        {"id": "#atproto", "type": ["Multikey"], "publicKeyMultibase": K256.multikey},
        {"id": "#atproto", "type": "JsonWebKey2020", "publicKeyMultibase": K256.multikey},
        {"id": "#atproto", "type": "EcdsaSecp256r1VerificationKey2019", "publicKeyMultibase": K256.multikey},
        {"id": "did:web:other#atproto", "type": "Multikey", "publicKeyMultibase": K256.multikey},
        {"id": "atproto", "type": "Multikey", "publicKeyMultibase": K256.multikey},
        "#atproto",
    ],
)
def test_a_key_that_cannot_be_used_is_none(method: object) -> None:
    assert parse(verificationMethod=[method]).signing_key is None


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        ("https://pds.test", True),
        ("http://localhost:2583", True),
        ("https://pds.test/path", True),
        ("ftp://pds.test", False),
        ("pds.test", False),
        ("https://", False),
        ("https://pds.test:port", False),
        ("https://pds.test:99999", False),
        ("https://[::1", False),
        ("javascript:alert(1)", False),
        (1, False),
        (["https://pds.test"], False),
    ],
)
def test_an_endpoint_is_a_url_of_http(endpoint: object, found: bool) -> None:
    service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint}
    assert parse(service=[service]).pds_endpoint == (endpoint if found else None)


def test_a_service_is_found_by_id_and_type() -> None:
    document = parse(
        service=[
            {"id": "#bsky_appview", "type": "BskyAppView", "serviceEndpoint": "https://appview.test"},
            {"id": "#atproto_pds", "type": "Other", "serviceEndpoint": "https://pds.test"},
        ]
    )
    assert document.service("bsky_appview") == "https://appview.test"
    assert document.service("#bsky_appview", "BskyAppView") == "https://appview.test"
    assert document.service("bsky_appview", "BskyFeedGenerator") is None
    assert document.service("missing") is None
    assert document.pds_endpoint is None


@given(
    st.fixed_dictionaries(
        {}, optional={"alsoKnownAs": json_values, "verificationMethod": json_values, "service": json_values}
    )
)
def test_no_document_breaks_its_reader(fields: dict[str, Any]) -> None:
    document = parse(**fields)
    assert document.handle is None or isinstance(document.handle, str)
    assert document.signing_key is None
    assert document.pds_endpoint is None


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:example.com", "https://example.com/.well-known/did.json"),
        ("did:web:EXAMPLE.com", "https://example.com/.well-known/did.json"),
        ("did:web:localhost", "http://localhost/.well-known/did.json"),
        ("did:web:localhost%3A8080", "http://localhost:8080/.well-known/did.json"),
        ("did:web:pds.test%3a443", "https://pds.test:443/.well-known/did.json"),
    ],
)
def test_a_did_web_names_where_its_document_is(did: str, url: str) -> None:
    assert did_web_document_url(Did.parse(did)) == url


@pytest.mark.parametrize(
    "did",
    [
        "did:plc:abc",
        "did:web:example.com:user",
        "did:web:example.com%2Fpath",
        "did:web:user%40example.com",
        "did:web:example.com%3A0",
        "did:web:example.com%3A99999",
        "did:web:example.com%3A80%3A80",
        "did:web:-a.com",
        "did:web:a..b",
        "did:web:a_b.com",
        "did:web:.",
        "did:web:" + "a." * 200 + "com",
    ],
)
def test_a_did_web_of_something_else_is_refused(did: str) -> None:
    with pytest.raises(InvalidSyntax):
        did_web_host(Did.parse(did))


def test_a_hostname_has_a_did() -> None:
    assert did_web_for("PDS.example.com") == "did:web:pds.example.com"
    assert did_web_for("localhost", 4000) == "did:web:localhost%3A4000"
    assert did_web_host(did_web_for("localhost", 4000)) == ("localhost", 4000)
    with pytest.raises(InvalidSyntax):
        did_web_for("not a host")
