"""The best current practice for the security of OAuth, RFC 9700, and the issuer in answers, RFC 9207."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.oauth_person import Page
from tests.support.oauth_raw import refused
from tests.support.oauth_stage import Stage

GET_SESSION = "com.atproto.server.getSession"
EVIL = "https://elsewhere.example.edu"


def preflight(stage: Stage, url: str, method: str) -> httpx.Response:
    asked = {"Origin": EVIL, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "dpop"}
    return stage.http.options(url, headers=asked)


# Codes and tokens


def test_a_code_is_good_once_and_a_second_use_ends_what_it_led_to(stage: Stage) -> None:
    client = stage.client()
    code = client.code(stage.person)
    tokens = client.tokens(client.exchange(code))
    assert client.call(GET_SESSION, tokens.access).status_code == 200
    refused(client.exchange(code), "invalid_grant")
    refused(client.refresh(tokens.refresh), "invalid_grant")
    assert client.call(GET_SESSION, tokens.access).status_code == 401


def test_a_code_is_for_the_client_and_the_address_it_was_given_for(stage: Stage) -> None:
    client = stage.client()
    refused(client.exchange(client.code(stage.person), redirect_uri=f"{EVIL}/callback"), "invalid_grant")
    other = stage.client()
    code = other.code(stage.person)
    thief = stage.published()
    thief.key, thief.verifier, thief.nonce = other.key, other.verifier, other.nonce
    refused(thief.exchange(code), "invalid_grant")


@pytest.mark.parametrize(
    "grant", ["password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:device_code"]
)
def test_there_are_no_grants_but_two(stage: Stage, grant: str) -> None:
    client = stage.client()
    client.request_uri()
    given = {"grant_type": grant, "username": stage.account.handle, "password": stage.account.password}
    refused(client.send("token", given), "unsupported_grant_type", "invalid_grant", "invalid_request")
    assert set(client.metadata["grant_types_supported"]) == {"authorization_code", "refresh_token"}


@pytest.mark.parametrize("kind", ["token", "code token", "code id_token", "none"])
def test_no_token_comes_from_the_authorization_endpoint(stage: Stage, kind: str) -> None:
    client = stage.client()
    refused(client.push(response_type=kind), "invalid_request", "unsupported_response_type")
    assert "token" not in client.metadata["response_types_supported"]


def test_a_refresh_token_is_replaced_and_its_scope_stays(stage: Stage) -> None:
    client = stage.client()
    scope = "atproto transition:generic"
    before = client.sign_in(stage.person, scope=scope)
    after = client.tokens(client.refresh(before.refresh, scope=f"{scope} transition:email"))
    assert after.refresh != before.refresh
    assert set(after.scope.split()) == set(scope.split())
    assert after.sub == before.sub


def test_a_refresh_token_is_for_the_client_it_was_given_to(stage: Stage) -> None:
    client = stage.client()
    tokens = client.sign_in(stage.person)
    thief = stage.published()
    thief.key, thief.nonce = client.key, client.nonce
    refused(thief.refresh(tokens.refresh), "invalid_grant")


def test_a_refresh_token_of_a_client_that_signs_wants_its_signature(stage: Stage) -> None:
    client = stage.confidential()
    tokens = client.sign_in(stage.person)
    bare = stage.client(client_id=client.client_id)
    bare.key, bare.nonce = client.key, client.nonce
    refused(bare.refresh(tokens.refresh), "invalid_client", "invalid_request", "invalid_grant")


def test_a_token_that_was_given_back_is_worth_nothing(stage: Stage) -> None:
    client = stage.client()
    tokens = client.sign_in(stage.person)
    for token in (tokens.refresh, "no-token-at-all"):
        assert client.send("revocation", {"token": token}).status_code == 200
    refused(client.refresh(tokens.refresh), "invalid_grant")
    assert client.call(GET_SESSION, tokens.access).status_code == 401


def test_a_token_in_the_address_is_none(stage: Stage) -> None:
    client, tokens = stage.signed_in
    url = f"{stage.issuer}/xrpc/{GET_SESSION}"
    for name in ("access_token", "token"):
        proof = client.proof("GET", url, tokens.access)
        assert stage.http.get(url, params={name: tokens.access}, headers={"DPoP": proof}).status_code == 401


def test_a_token_is_for_one_server(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the tokens are those of the reference server")
    elsewhere = Stage(stage.internet, "reference")
    client, tokens = elsewhere.signed_in
    here = stage.client(key=client.key)
    assert here.call(GET_SESSION, tokens.access).status_code == 401


def test_a_token_may_do_what_its_scope_says(stage: Stage) -> None:
    client = stage.client()
    tokens = client.sign_in(stage.person, scope="atproto")
    assert "email" not in client.call(GET_SESSION, tokens.access).json()
    answer = client.call("com.atproto.repo.createRecord", tokens.access, body=stage.post())
    assert answer.status_code == 403
    assert answer.json()["error"] == "ScopeMissingError"


def test_no_code_and_no_token_is_kept_or_logged_as_it_is(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the reference server keeps them")
    client = stage.client()
    code = client.code(stage.person)
    tokens = client.tokens(client.exchange(code))
    client.call(GET_SESSION, tokens.access)
    fresh = client.tokens(client.refresh(tokens.refresh))
    server = stage.account.server
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert server.folder / "account.sqlite" in files
    secrets = [
        code,
        tokens.access,
        tokens.refresh,
        fresh.access,
        fresh.refresh,
        client.verifier,
        stage.account.password,
    ]
    for path in (*files, server.log):
        kept = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in kept], path


# Redirects


@pytest.mark.parametrize(
    "uri",
    [
        f"{EVIL}/callback",
        "https://app.example.edu/callback/",
        "https://app.example.edu/callback?more=1",
        "https://app.example.edu/callback#more",
        "https://app.example.edu:8443/callback",
        "https://APP.example.edu/callback",
        "https://app.example.edu/Callback",
        "https://app.example.edu/../callback",
        "https://app.example.edu.elsewhere.example.edu/callback",
        "http://app.example.edu/callback",
    ],
)
def test_an_address_to_go_back_to_is_one_of_those_declared_to_the_letter(stage: Stage, uri: str) -> None:
    refused(stage.client().push(redirect_uri=uri), "invalid_request", "invalid_redirect_uri")


@pytest.mark.parametrize(
    "said",
    [
        {"redirect_uris": ["http://app.example.edu/callback"]},
        {"redirect_uris": ["http://localhost/callback"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": [f"{EVIL}/callback#fragment"]},
        {"redirect_uris": []},
        {"client_id": f"{EVIL}/client.json"},
        {"dpop_bound_access_tokens": False},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"grant_types": ["implicit"]},
    ],
    ids=str,
)
def test_a_document_that_breaks_the_rules_makes_no_client(stage: Stage, said: dict[str, object]) -> None:
    client = stage.published(**said)
    names = (
        "invalid_client_metadata",
        "invalid_redirect_uri",
        "invalid_client",
        "invalid_request",
        "invalid_client_id",
    )
    refused(client.push(), *names)


def test_a_native_application_may_listen_on_any_port_of_this_machine(stage: Stage) -> None:
    client = stage.published(application_type="native", redirect_uris=["http://127.0.0.1/callback"])
    client.redirect_uri = "http://127.0.0.1:54321/callback"
    assert client.exchange(client.code(stage.person)).status_code == 200
    refused(client.push(redirect_uri="http://127.0.0.1:54321/other"), "invalid_request", "invalid_redirect_uri")


def test_nobody_is_sent_to_an_address_that_no_client_declared(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the reference server sends them there, with an error")
    client = stage.client()
    for query in (
        {"client_id": client.client_id, "redirect_uri": f"{EVIL}/callback", "response_type": "code", "state": "x"},
        {"client_id": f"{EVIL}/client.json", "redirect_uri": f"{EVIL}/callback", "response_type": "code"},
        {"client_id": "no client", "request_uri": "x", "redirect_uri": EVIL},
        {"redirect_uri": EVIL},
    ):
        visitor = stage.stranger()
        visitor.open(f"{client.endpoint('authorization')}?{httpx.QueryParams(query)}")
        assert 400 <= visitor.answer.status_code < 500
        assert "location" not in visitor.answer.headers
        assert visitor.words


def test_nobody_is_sent_to_a_client_who_did_nothing_for_it(stage: Stage) -> None:
    """Section 4.11.2: anybody can be a client, and so have a link to this server lead to where they like."""
    if stage.is_reference:
        pytest.skip("the reference server sends them there, with an error")
    client = stage.client()
    wrong = httpx.QueryParams(client.authorization(scope="atproto repo:com.example.never"))
    visitor = stage.stranger()
    visitor.open(f"{client.endpoint('authorization')}?{wrong}")
    assert visitor.answer.status_code == 400
    assert "location" not in visitor.answer.headers
    assert "refresh" not in visitor.answer.headers
    assert "http-equiv" not in visitor.answer.text
    assert f'href="{client.redirect_uri}?iss=' in visitor.answer.text
    assert "error=invalid_scope" in visitor.answer.text


def test_who_gave_a_password_is_sent_on_by_303(stage: Stage) -> None:
    client = stage.client()
    stage.stranger().approve(client.authorize_url(client.request_uri()))
    person = stage.stranger()
    person.approve(client.authorize_url(stage.client().request_uri()))
    assert person.answer.status_code == 303
    assert "no-store" in person.answer.headers["cache-control"]


# The issuer, RFC 9207


def test_the_issuer_is_in_every_answer(stage: Stage) -> None:
    client = stage.client()
    assert client.metadata["authorization_response_iss_parameter_supported"] is True
    assert client.metadata["issuer"] == stage.issuer
    good = stage.person.approve(client.authorize_url(client.request_uri()))
    assert (good["iss"], good["state"]) == (stage.issuer, client.state)
    client = stage.client()
    stage.person.open(client.authorize_url(client.request_uri()))
    stage.person.sign_in()
    bad = stage.person.reject()
    assert (bad["iss"], bad["state"], bad["error"]) == (stage.issuer, client.state, "access_denied")


def test_the_issuer_is_an_origin(stage: Stage) -> None:
    parts = urlsplit(stage.client().metadata["issuer"])
    assert (parts.scheme, parts.path, parts.query, parts.fragment) == ("https", "", "", "")


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_an_answer_comes_the_way_that_was_asked_for_and_holds_no_token(stage: Stage, mode: str) -> None:
    client = stage.client()
    parameters = stage.person.approve(client.authorize_url(client.request_uri(response_mode=mode)))
    assert set(parameters) == {"iss", "state", "code"}
    target = stage.person.answer.headers.get("location", "")
    assert bool(urlsplit(target).query) is (mode == "query")
    assert bool(urlsplit(target).fragment) is (mode == "fragment")


# Pages


def test_no_other_page_frames_those_of_the_provider_or_learns_of_them(stage: Stage) -> None:
    client = stage.client()
    person = stage.stranger()
    person.open(client.authorize_url(client.request_uri()))
    headers = person.answer.headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    # The reference server, whose program needs the address of its page, lets it stay on the server.
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert headers["x-content-type-options"] == "nosniff"
    assert "no-store" in headers["cache-control"]


def test_a_page_brings_nothing_from_elsewhere(stage: Stage) -> None:
    client = stage.client()
    person = stage.stranger()
    person.open(client.authorize_url(client.request_uri()))
    text = person.answer.text
    for address in re.findall(r'(?:src|action)="([^"]+)"', text) + re.findall(r'<link [^>]*href="([^"]+)"', text):
        assert urlsplit(address).netloc in {"", urlsplit(stage.issuer).netloc}, address


def test_cookies_are_kept_from_scripts_from_http_and_from_other_sites(stage: Stage) -> None:
    client = stage.client()
    person = stage.stranger()
    person.open(client.authorize_url(client.request_uri()))
    person.sign_in()
    assert person.set_cookies
    for cookie in person.set_cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert "secure" in attributes
        assert {"samesite=lax", "samesite=strict"} & attributes
        assert "httponly" in attributes or stage.is_reference
        assert not any(attribute.startswith("domain") for attribute in attributes)


def test_a_form_of_another_site_is_refused(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("its pages have no forms")
    client = stage.client()
    person = stage.stranger()
    person.open(client.authorize_url(client.request_uri()))
    form = next(form for form in Page(person.answer.text).forms if form.has("password"))
    fields = dict(form.sent(None)) | {"password": stage.account.password}
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}):
        answer = stage.http.post(
            httpx.URL(person.url).join(form.action),
            data=fields,
            headers={"Cookie": "; ".join(f"{name}={value}" for name, value in person.cookies.items()), **headers},
        )
        assert answer.status_code in {400, 403}
    answer = stage.http.post(httpx.URL(person.url).join(form.action), data=fields)
    assert answer.status_code in {400, 403}


def test_other_sites_read_what_clients_ask_and_never_the_pages(stage: Stage) -> None:
    client = stage.client()
    for name in ("token", "pushed_authorization_request", "revocation"):
        allowed = preflight(stage, client.endpoint(name), "POST").headers
        assert allowed["access-control-allow-origin"] in {"*", EVIL}, name
        assert "access-control-allow-credentials" not in allowed
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"):
        answer = stage.http.get(stage.issuer + path, headers={"Origin": EVIL})
        assert answer.headers["access-control-allow-origin"] in {"*", EVIL}
    answer = stage.http.get(client.metadata["jwks_uri"], headers={"Origin": EVIL})
    assert answer.headers["access-control-allow-origin"] in {"*", EVIL}
    assert all("d" not in key and "k" not in key for key in answer.json()["keys"])
    if stage.is_reference:
        return  # which lets other sites ask for leave, and then says nothing more
    page = client.authorize_url(client.request_uri())
    for answer in (
        preflight(stage, page, "GET"),
        stage.http.get(page, headers={"Origin": EVIL}),
        preflight(stage, f"{stage.issuer}/account", "GET"),
    ):
        assert "access-control-allow-origin" not in answer.headers


# What stands in front


def test_what_a_client_says_of_the_proxy_is_not_believed(stage: Stage) -> None:
    """Section 4.13: Caddy in front sets these headers anew, and only it is believed."""
    answer = stage.http.get(
        f"{stage.issuer}/.well-known/oauth-authorization-server",
        headers={
            "X-Forwarded-Host": "elsewhere.example.edu",
            "X-Forwarded-Proto": "http",
            "Forwarded": "host=elsewhere",
        },
    )
    assert answer.json()["issuer"] == stage.issuer


def test_introspection_is_told_to_nobody_else(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("it has no introspection")
    client = stage.confidential()
    tokens = client.sign_in(stage.person)
    told = client.send("introspection", {"token": tokens.access}).json()
    assert told["active"] is True
    assert told["token_type"] == "DPoP"
    assert told["cnf"] == {"jkt": client.key.thumbprint}
    assert told["sub"] == stage.account.did
    other = stage.confidential()
    assert other.send("introspection", {"token": tokens.access}).json() == {"active": False}
