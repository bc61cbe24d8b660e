"""The two documents of discovery."""

import json

import pytest

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS
from tempest_pds.protocol.oauth.server_metadata import (
    authorization_server_metadata,
    check_issuer,
    protected_resource_metadata,
)

ISSUER = "https://pds.example.com"


def test_a_resource_server_names_itself_as_its_issuer() -> None:
    document = protected_resource_metadata(ISSUER)
    assert document["resource"] == ISSUER
    assert document["authorization_servers"] == [ISSUER]
    assert protected_resource_metadata(ISSUER, issuer="https://a.example.com")["authorization_servers"] == [
        "https://a.example.com"
    ]


def test_an_authorization_server_says_outright_what_clients_look_for() -> None:
    document = authorization_server_metadata(ISSUER)
    for name in (
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "require_request_uri_registration",
        "require_pushed_authorization_requests",
        "authorization_response_iss_parameter_supported",
        "client_id_metadata_document_supported",
    ):
        assert document[name] is True
    assert document["response_modes_supported"] == ["query", "fragment", "form_post"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["token_endpoint_auth_methods_supported"] == ["none", "private_key_jwt"]
    assert document["protected_resources"] == [ISSUER]


@pytest.mark.parametrize("issuer", [ISSUER, "http://localhost:2583"])
def test_every_endpoint_is_below_the_issuer(issuer: str) -> None:
    document = authorization_server_metadata(issuer, introspection=True)
    endpoints = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert len(endpoints) == 6
    assert all(str(url).startswith(f"{issuer}/oauth/") for url in endpoints.values())


def test_introspection_is_told_of_only_where_it_is_offered() -> None:
    assert "introspection_endpoint" not in authorization_server_metadata(ISSUER)


def test_the_algorithms_of_proofs_and_assertions_include_es256_and_never_none() -> None:
    document = authorization_server_metadata(ISSUER, algorithms=["ES256"], ui_locales=["de"])
    assert document["dpop_signing_alg_values_supported"] == ["ES256"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["ES256"]
    assert document["ui_locales_supported"] == ["de"]
    assert authorization_server_metadata(ISSUER)["dpop_signing_alg_values_supported"] == list(ACCEPTED_ALGORITHMS)
    for wrong in (["RS256"], ["ES256", "none"]):
        with pytest.raises(ValueError, match="ES256"):
            authorization_server_metadata(ISSUER, algorithms=wrong)


def test_the_documents_are_json() -> None:
    for document in (authorization_server_metadata(ISSUER), protected_resource_metadata(ISSUER)):
        assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    "issuer",
    [
        f"{ISSUER}/",
        f"{ISSUER}/pds",
        f"{ISSUER}:443",
        "https://PDS.example.com",
        "http://pds.example.com",
        f"{ISSUER}?a",
        "pds",
    ],
)
def test_an_issuer_is_an_origin_as_browsers_spell_it(issuer: str) -> None:
    with pytest.raises(InvalidSyntax):
        check_issuer(issuer)
