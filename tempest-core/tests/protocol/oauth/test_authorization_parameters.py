"""What an authorization request may say."""

import dataclasses
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.oauth.authorization_parameters import (
    MAX_STATE_LENGTH,
    REQUEST_URI_PREFIX,
    AuthorizationParameters,
    ByObject,
    ByReference,
    ByValue,
    authorization_request,
    check_parameters,
    pushed_request,
    reply_address,
    single_values,
)
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import (
    ConsentRequired,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri

CLIENT_ID = "https://app.example.com/client.json"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PUBLIC = ClientMetadata(
    client_id=DiscoverableClientId.parse(CLIENT_ID),
    redirect_uris=(RedirectUri.parse("https://app.example.com/cb"),),
    scope="atproto transition:generic repo:*",
    application_type="web",
    token_endpoint_auth_method="none",
)
CONFIDENTIAL = dataclasses.replace(PUBLIC, token_endpoint_auth_method="private_key_jwt")
NATIVE = dataclasses.replace(
    PUBLIC,
    application_type="native",
    redirect_uris=(RedirectUri("http://127.0.0.1/cb"), RedirectUri("com.example.app:/")),
)
GOOD: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "scope": "atproto repo:*",
    "state": "xyz",
}
ABSENT = object()


def check(client: ClientMetadata = PUBLIC, *, trusted: bool = False, **changes: Any) -> AuthorizationParameters:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not ABSENT}
    return check_parameters(fields, client, trusted=trusted)


def test_a_good_request_is_read_with_its_defaults() -> None:
    found = check()
    assert (found.client_id, found.scopes, found.code_challenge.value) == (CLIENT_ID, ("atproto", "repo:*"), CHALLENGE)
    assert (found.reply.redirect_uri, found.reply.response_mode) == ("https://app.example.com/cb", "query")
    assert (found.reply.state, found.display, found.max_age, found.dpop_jkt) == ("xyz", "page", None, None)
    assert check(state=ABSENT).reply.state is None


def test_what_a_client_declares_is_read_once_however_many_scopes_it_asks_for() -> None:
    asked = " ".join(["atproto", *(f"a{number}" for number in range(100))])
    declared = mock.PropertyMock(return_value=frozenset(asked.split(" ")))
    with mock.patch.object(ClientMetadata, "scopes", declared):
        assert check(scope=asked).scope == asked
    declared.assert_called_once()


def test_everything_a_request_may_say_is_kept() -> None:
    found = check(
        CONFIDENTIAL,
        prompt="select_account",
        login_hint="Alice.Example.com",
        display="popup",
        ui_locales="fr-CA fr en",
        max_age="60",
        dpop_jkt=CHALLENGE,
        response_mode="form_post",
    )
    assert (found.prompt, found.login_hint, found.display) == ("select_account", "alice.example.com", "popup")
    assert (found.ui_locales, found.max_age, found.dpop_jkt) == (("fr-CA", "fr", "en"), 60, CHALLENGE)
    assert found.reply.response_mode == "form_post"
    assert check(max_age=0).max_age == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", ABSENT),
        ("client_id", "https://other.example.com/client.json"),
        ("response_type", ABSENT),
        ("response_mode", "web_message"),
        ("state", 1),
        ("state", "x" * (MAX_STATE_LENGTH + 1)),
        ("code_challenge", ABSENT),
        ("code_challenge", CHALLENGE[:-1]),
        ("code_challenge", CHALLENGE + "="),
        ("code_challenge_method", ABSENT),
        ("code_challenge_method", "plain"),
        ("dpop_jkt", "short"),
        ("prompt", "login consent"),
        ("prompt", "always"),
        ("login_hint", "alice@example.com"),
        ("login_hint", "did:plc:short"),
        ("login_hint", "did:web:example.com:path"),
        ("login_hint", "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"),
        ("login_hint", ""),
        ("display", "tv"),
        ("max_age", -1),
        ("max_age", "soon"),
        ("max_age", True),
        ("max_age", None),
        ("nonce", "n"),
        ("claims", "{}"),
        ("id_token_hint", "a.b.c"),
        ("authorization_details", "[]"),
        ("registration", "{}"),
    ],
)
def test_a_parameter_that_breaks_a_rule_is_named(name: str, value: object) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(InvalidRequest, match=name):
        check(**changes)


def test_only_codes_are_given_and_only_to_clients_that_take_them() -> None:
    for response_type in ("token", "code id_token", "none"):
        with pytest.raises(UnsupportedResponseType):
            check(response_type=response_type)
    for client in (
        dataclasses.replace(PUBLIC, response_types=("token",)),
        dataclasses.replace(PUBLIC, grant_types=("refresh_token",)),
    ):
        with pytest.raises(UnauthorizedClient):
            check(client)


@pytest.mark.parametrize(
    "scope",
    [ABSENT, "", "repo:*", "openid atproto", "atproto transition:email", "atproto  repo:*", " atproto", 'atproto "'],
)
def test_a_scope_is_declared_by_the_client_and_has_atproto(scope: object) -> None:
    with pytest.raises(InvalidScope):
        check(scope=scope)


def test_openid_connect_is_refused_even_where_the_client_declares_it() -> None:
    with pytest.raises(InvalidScope, match="openid"):
        check(dataclasses.replace(PUBLIC, scope="atproto openid"), scope="atproto openid")


def test_a_scope_asked_for_twice_is_asked_for_once() -> None:
    assert check(scope="repo:* atproto repo:*").scope == "repo:* atproto"


def test_a_redirect_uri_is_one_of_the_clients() -> None:
    assert check(NATIVE, redirect_uri="http://127.0.0.1:4711/cb").reply.redirect_uri == "http://127.0.0.1:4711/cb"
    for other in ("https://app.example.com/cb/", "https://evil.com/cb", "javascript:alert(1)", "http://localhost/cb"):
        with pytest.raises(InvalidRequest, match="redirect_uri"):
            check(redirect_uri=other)
    with pytest.raises(InvalidRequest, match="redirect_uri is required"):
        check(NATIVE)


def test_where_the_answer_goes_is_known_though_all_else_is_wrong() -> None:
    fields = {"client_id": CLIENT_ID, "response_type": "tea", "scope": "", "response_mode": "fragment", "state": "s"}
    reply = reply_address(fields, PUBLIC)
    assert (reply.redirect_uri, reply.response_mode, reply.state) == ("https://app.example.com/cb", "fragment", "s")
    with pytest.raises(UnsupportedResponseType):
        check_parameters(fields, PUBLIC)


def test_a_public_client_asks_for_consent_or_for_more() -> None:
    assert check(prompt=ABSENT).prompt == "consent"
    for prompt in ("login", "consent", "select_account", "create"):
        assert check(prompt=prompt).prompt == prompt
    with pytest.raises(ConsentRequired):
        check(prompt="none")


@pytest.mark.parametrize("prompt", ["none", "login", "consent", "select_account", "create", ABSENT])
def test_confidential_and_trusted_clients_choose_the_prompt(prompt: object) -> None:
    asked = None if prompt is ABSENT else prompt
    assert check(CONFIDENTIAL, prompt=prompt).prompt == asked
    assert check(trusted=True, prompt=prompt).prompt == asked


@pytest.mark.parametrize("hint", ["alice.example.com", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:alice.example.com"])
def test_a_login_hint_is_a_handle_or_a_did(hint: str) -> None:
    assert check(login_hint=hint).login_hint == hint


def test_a_language_that_is_none_is_passed_over() -> None:
    assert check(ui_locales="en_GB de  zh-Hant-TW <x>").ui_locales == ("de", "zh-Hant-TW")


def test_the_three_forms_of_a_request_exclude_each_other() -> None:
    client = {"client_id": CLIENT_ID}
    uri = REQUEST_URI_PREFIX + "req-1"
    assert authorization_request(GOOD) == pushed_request(GOOD) == ByValue(CLIENT_ID, GOOD)
    assert pushed_request({**client, "request": "a.b.c", "scope": "x"}) == ByObject(CLIENT_ID, "a.b.c")
    reference = authorization_request({**client, "request_uri": uri})
    assert reference == ByReference(CLIENT_ID, uri)
    assert isinstance(reference, ByReference)
    assert reference.request_id == "req-1"
    with pytest.raises(InvalidRequest, match="exclude"):
        authorization_request({**client, "request_uri": uri, "request": "a.b.c"})
    with pytest.raises(InvalidRequest, match="cannot be pushed"):
        pushed_request({**client, "request_uri": uri})


@pytest.mark.parametrize("uri", ["https://app.example.com/request.jwt", REQUEST_URI_PREFIX, "", 1])
def test_a_request_uri_is_one_that_the_server_gave(uri: object) -> None:
    with pytest.raises(InvalidRequest, match="request_uri"):
        authorization_request({"client_id": CLIENT_ID, "request_uri": uri})


@pytest.mark.parametrize(
    "fields", [{}, {"request": "a.b.c"}, {"request_uri": REQUEST_URI_PREFIX + "x"}, {"client_id": ""}]
)
def test_every_form_names_its_client(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="client_id"):
        authorization_request(fields)


def test_a_name_stands_once_in_a_request_and_an_empty_value_counts_for_nothing() -> None:
    assert single_values([("a", "1"), ("b", ""), ("c", "2")]) == {"a": "1", "c": "2"}
    with pytest.raises(InvalidRequest, match="twice"):
        single_values([("state", "1"), ("state", "")])


@given(
    st.dictionaries(
        st.sampled_from([*sorted(GOOD), "prompt", "login_hint", "display", "max_age", "ui_locales", "redirect_uri"]),
        st.none() | st.text(max_size=20) | st.integers() | st.floats() | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_no_request_breaks_the_reader(changes: dict[str, Any]) -> None:
    try:
        found = check(**changes)
    except OAuthError:
        return
    assert "atproto" in found.scopes
    assert PUBLIC.admits_redirect(found.reply.redirect_uri)
