"""What a stranger's document must say, and what a loopback client's id stands for."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strangers import stranger

from tempest_pds.protocol.oauth.client_id import DiscoverableClientId, LoopbackClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata, read_client_metadata
from tempest_pds.protocol.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.loopback_client import DEFAULT_REDIRECT_URIS, loopback_client_metadata
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri

CLIENT_ID = DiscoverableClientId.parse("https://app.example.com/oauth/client.json")
KEY = {**stranger("ES256").jwk, "kid": "one", "alg": "ES256", "use": "sig"}
GOOD: dict[str, Any] = {
    "client_id": str(CLIENT_ID),
    "client_name": "App",
    "client_uri": "https://app.example.com/",
    "logo_uri": "https://cdn.example.net/logo.png",
    "redirect_uris": ["https://app.example.com/cb"],
    "scope": "atproto transition:generic",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
    "dpop_bound_access_tokens": True,
    "a member of tomorrow": [1],
}
CONFIDENTIAL: dict[str, Any] = {
    **GOOD,
    "token_endpoint_auth_method": "private_key_jwt",
    "token_endpoint_auth_signing_alg": "ES256",
    "jwks": {"keys": [KEY]},
}
ABSENT = object()


def read(document: dict[str, Any], **changes: Any) -> ClientMetadata:
    changed = {**document, **changes}
    return read_client_metadata(CLIENT_ID, {name: value for name, value in changed.items() if value is not ABSENT})


def test_a_public_client_is_read() -> None:
    client = read(GOOD)
    assert client.client_id == CLIENT_ID
    assert client.scopes == {"atproto", "transition:generic"}
    assert (client.is_confidential, client.is_loopback, client.may_refresh) == (False, False, True)
    assert client.default_redirect_uri == "https://app.example.com/cb"
    assert (client.client_name, client.logo_uri, client.jwks) == ("App", "https://cdn.example.net/logo.png", None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        client.scope = "atproto"  # type: ignore[misc]


def test_a_confidential_client_has_its_keys_or_says_where_they_are() -> None:
    client = read(CONFIDENTIAL)
    assert client.is_confidential
    assert client.jwks == JwkSet.parse({"keys": [KEY]})
    assert (client.token_endpoint_auth_signing_alg, client.jwks_uri) == ("ES256", None)
    elsewhere = read(CONFIDENTIAL, jwks=ABSENT, jwks_uri="https://keys.example.net/jwks.json")
    assert (elsewhere.jwks, elsewhere.jwks_uri) == (None, "https://keys.example.net/jwks.json")


def test_what_the_document_leaves_out_has_the_defaults_of_the_specification() -> None:
    client = read(GOOD, grant_types=ABSENT, response_types=ABSENT, application_type=ABSENT, client_uri=ABSENT)
    assert (client.grant_types, client.response_types) == (("authorization_code",), ("code",))
    assert (client.application_type, client.may_refresh, client.client_uri) == ("web", False, None)


def test_more_than_one_redirect_uri_leaves_no_default() -> None:
    client = read(GOOD, application_type="native", redirect_uris=["http://127.0.0.1/", "com.example.app:/cb"])
    assert client.default_redirect_uri is None
    assert client.admits_redirect(RedirectUri("http://127.0.0.1:4711/"))
    assert client.admits_redirect(RedirectUri("com.example.app:/cb"))
    assert not client.admits_redirect(RedirectUri("http://[::1]/"))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("client_id", ABSENT),
        ("client_id", "https://app.example.com/oauth/client.json?"),
        ("scope", ABSENT),
        ("scope", "transition:generic"),
        ("scope", "atproto atproto"),
        ("scope", "atproto  transition:generic"),
        ("scope", ["atproto"]),
        ("grant_types", ["refresh_token"]),
        ("grant_types", ["authorization_code", "implicit"]),
        ("grant_types", ["authorization_code", "client_credentials"]),
        ("grant_types", ["authorization_code", "authorization_code"]),
        ("grant_types", []),
        ("response_types", ["token"]),
        ("response_types", ["code", "tea"]),
        ("response_types", "code"),
        ("application_type", "desktop"),
        ("subject_type", "pairwise"),
        ("dpop_bound_access_tokens", ABSENT),
        ("dpop_bound_access_tokens", False),
        ("dpop_bound_access_tokens", "true"),
        ("token_endpoint_auth_method", ABSENT),
        ("token_endpoint_auth_method", "client_secret_basic"),
        ("token_endpoint_auth_signing_alg", "ES256"),
        ("tls_client_certificate_bound_access_tokens", True),
        ("authorization_details_types", ["payment"]),
        ("authorization_encrypted_response_enc", "A128CBC-HS256"),
        ("default_max_age", 60),
        ("userinfo_signed_response_alg", "RS256"),
        ("userinfo_encrypted_response_alg", "RSA-OAEP"),
        ("id_token_signed_response_alg", "RS256"),
        ("require_auth_time", "yes"),
        ("request_object_signing_alg", 1),
        ("client_name", None),
        ("client_name", "x" * 1001),
        ("client_name", "half of a \ud800 pair"),
        ("client_uri", "https://example.com/"),
        ("client_uri", "https://app.example.com:8443/"),
        ("client_uri", "https://app.example.com/oau"),
        ("client_uri", "https://app.example.com/other/"),
        ("client_uri", "http://localhost/"),
        ("client_uri", "javascript:alert(1)"),
        ("logo_uri", "data:image/png;base64,AA"),
        ("tos_uri", "http://app.example.com/tos"),
        ("policy_uri", 1),
        ("jwks_uri", "http://127.0.0.1/jwks.json"),
        ("jwks_uri", "http://app.example.com/jwks.json"),
        ("jwks", {"keys": 1}),
        ("jwks", [KEY]),
        ("contacts", ["nobody"]),
        ("contacts", "a@example.com"),
        ("redirect_uris", ABSENT),
        ("redirect_uris", []),
        ("redirect_uris", [1]),
        ("redirect_uris", [f"https://app.example.com/{n}" for n in range(501)]),
    ],
)
def test_a_document_that_breaks_a_rule_is_told_which_member(member: str, value: object) -> None:
    with pytest.raises(InvalidClientMetadata, match=member):
        read(GOOD, **{member: value})


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/cb",
        "com.example.app:/cb",
        "http://localhost/cb",
        "http://app.example.com/cb",
        "https://app.test/cb",
        "https://app.example.com/cb#a",
    ],
)
def test_a_web_client_redirects_to_public_https_only(uri: str) -> None:
    with pytest.raises(InvalidRedirectUri, match="redirect_uri"):
        read(GOOD, redirect_uris=["https://app.example.com/cb", uri])


def test_a_native_client_has_the_scheme_of_its_own_host_reversed() -> None:
    assert read(GOOD, application_type="native", redirect_uris=["com.example.app:/cb"]).redirect_uris
    for other in ("com.example:/cb", "com.example.app.more:/cb", "com.other.app:/cb"):
        with pytest.raises(InvalidRedirectUri, match=r"com\.example\.app"):
            read(GOOD, application_type="native", redirect_uris=[other])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"application_type": "native"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_signing_alg": ABSENT}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "none"}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg"),
        ({"jwks": ABSENT}, "jwks"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": {"keys": [{**KEY, "kid": None}]}}, "kid"),
        ({"jwks": {"keys": [{**KEY, "use": "enc"}]}}, "kid"),
        ({"jwks": {"keys": [KEY, {**KEY, "d": "ZA"}]}}, "jwks: .*private"),
        ({"jwks_uri": "https://app.example.com/jwks.json"}, "exclude"),
    ],
)
def test_a_confidential_client_that_breaks_a_rule_is_told_which(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=reason):
        read(CONFIDENTIAL, **changes)


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_a_document_is_an_object(document: object) -> None:
    with pytest.raises(InvalidClientMetadata, match="object"):
        read_client_metadata(CLIENT_ID, document)


def test_client_uri_may_be_any_ancestor_of_the_document() -> None:
    for uri in (
        "https://app.example.com",
        "https://app.example.com/oauth",
        "https://app.example.com/oauth/",
        str(CLIENT_ID),
    ):
        assert read(GOOD, client_uri=uri).client_uri == uri


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*sorted(CONFIDENTIAL), "jwks_uri", "contacts", "tos_uri"]), JSON, max_size=3))
def test_no_document_breaks_the_reader(changes: dict[str, Any]) -> None:
    try:
        client = read(CONFIDENTIAL, **changes)
    except OAuthError:
        return
    assert "atproto" in client.scopes
    assert client.redirect_uris


@given(JSON)
def test_no_key_set_breaks_the_reader(value: Any) -> None:
    client = read(CONFIDENTIAL, jwks={"keys": [KEY, value, *({**KEY, name: value} for name in KEY)]})
    assert client.jwks is not None
    assert client.jwks.choose("one", "ES256") in JwkSet.parse({"keys": [KEY]}).keys


def test_a_key_that_is_no_use_here_locks_no_client_out() -> None:
    strange = [{"kty": "X25519", "kid": "b"}, {**KEY, "kid": ""}, {**KEY, "use": "enc"}, {**KEY, "crv": "P-192"}]
    assert read(CONFIDENTIAL, jwks={"keys": [*strange, KEY]}).jwks == JwkSet.parse({"keys": [KEY]})


def test_a_loopback_client_is_a_public_native_one() -> None:
    client = loopback_client_metadata(LoopbackClientId.parse("http://localhost"))
    assert (client.scope, client.redirect_uris) == ("atproto", DEFAULT_REDIRECT_URIS)
    assert (client.application_type, client.is_confidential, client.is_loopback) == ("native", False, True)
    assert client.may_refresh
    assert client.admits_redirect(RedirectUri("http://127.0.0.1:8080/"))
    assert not client.admits_redirect(RedirectUri("http://127.0.0.1:8080/cb"))


def test_a_loopback_client_has_what_its_id_says() -> None:
    text = "http://localhost?scope=atproto%20repo:*&redirect_uri=http://127.0.0.1:8080/cb"
    client = loopback_client_metadata(LoopbackClientId.parse(text))
    assert str(client.client_id) == text
    assert client.scopes == {"atproto", "repo:*"}
    assert client.default_redirect_uri == "http://127.0.0.1:8080/cb"


@pytest.mark.parametrize("scope", ["transition:generic", "atproto+atproto"])
def test_a_loopback_client_asks_for_atproto_once(scope: str) -> None:
    with pytest.raises(InvalidClientMetadata, match="scope"):
        loopback_client_metadata(LoopbackClientId.parse(f"http://localhost?scope={scope}"))
