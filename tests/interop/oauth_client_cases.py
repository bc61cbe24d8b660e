"""Documents, keys and requests of clients to compare with the reference: good ones, and each with its faults."""

import random
from typing import Any

from tests.interop.oauth_url_cases import PRIVATE, is_unplain

CLIENT_ID = "https://app.example.com/oauth/client.json"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

# RFC 7517, appendix A.1; RFC 8037, appendix A.2; the base point of secp256k1.
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "k",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
RSA_KEY = {
    "kty": "RSA",
    "kid": "r",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}
ED25519_KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
K256_KEY = {
    "kty": "EC",
    "crv": "secp256k1",
    "kid": "s",
    "x": "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g",
    "y": "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg",
}
GOOD: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "redirect_uris": ["https://app.example.com/cb"],
    "scope": "atproto transition:generic",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "application_type": "web",
    "token_endpoint_auth_method": "none",
    "dpop_bound_access_tokens": True,
    "client_name": "App",
    "client_uri": "https://app.example.com",
}
CONFIDENTIAL = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
JUNK: list[Any] = [None, 1, 0, True, False, "", "x", [], ["x"], {}, ["x", 1], 1.5]
VALUES: dict[str, list[Any]] = {
    "client_id": [CLIENT_ID + "?", "https://other.example.com/oauth/client.json", CLIENT_ID.upper()],
    "redirect_uris": [[uri] for uri in PRIVATE]
    + [
        [uri]
        for uri in (
            "https://app.example.com",
            "https://other.com/cb",
            "https://8.8.8.8/cb",
            "https://[2001:db8::1]/cb",
            "http://[::1]",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:80/cb",
            "http://localhost/cb",
            "http://app.example.com/cb",
            "https://a.test/",
            "https://a.example/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://foo/",
            "https://a.invalid/",
        )
    ]
    + [["https://app.example.com/cb", "http://127.0.0.1/"], ["https://app.example.com/cb", 1]],
    "scope": [
        "atproto",
        "transition:generic",
        "atproto atproto",
        "atproto  x",
        " atproto",
        "atproto ",
        'atproto "',
        "ATPROTO",
    ],
    "grant_types": [
        ["authorization_code"],
        ["refresh_token"],
        ["implicit", "authorization_code"],
        ["password"],
        ["authorization_code", "authorization_code"],
        ["authorization_code", "client_credentials"],
    ],
    "response_types": [["code"], ["token"], ["code", "token"], ["code", "code id_token"], ["code", "code"], ["none"]],
    "application_type": ["web", "native", "Native", "other"],
    "subject_type": ["public", "pairwise", "other"],
    "token_endpoint_auth_method": ["none", "private_key_jwt", "client_secret_basic", "tls_client_auth", "other"],
    "token_endpoint_auth_signing_alg": ["ES256", "RS256", "ES256K"],
    "dpop_bound_access_tokens": [True, False, "true"],
    "tls_client_certificate_bound_access_tokens": [True, False],
    "require_auth_time": [True, False],
    "client_name": ["App", ""],
    "client_uri": [
        "https://app.example.com/",
        "https://app.example.com/oauth",
        "https://app.example.com/oauth/",
        "https://app.example.com/oa",
        "https://app.example.com/other",
        CLIENT_ID,
        "https://example.com",
        "http://localhost/",
        "http://app.example.com",
        "https://app.example.com:443/",
        "https://app.example.com:8443/",
        "javascript:alert(1)",
    ],
    "logo_uri": ["https://cdn.example.net/a.png", "http://127.0.0.1/a.png", "http://a.com/a.png", "data:image/png,x"],
    "tos_uri": ["https://app.example.com/tos?x#y", "http://localhost:80/tos", "ftp://a.com"],
    "policy_uri": ["https://app.example.com/policy", "https://a.local/", "https://a.test/"],
    "jwks_uri": ["https://app.example.com/jwks.json", "ftp://a.com/", "https://other.com/jwks"],
    "jwks": [
        {"keys": []},
        {"keys": [KEY]},
        {"keys": [{**KEY, "d": "ZA"}]},
        {"keys": "x"},
        {"keys": [1, KEY]},
        {"keys": [{k: v for k, v in KEY.items() if k != "kid"}]},
    ],
    "contacts": [
        ["a@example.com"],
        ["a@b"],
        ["a.b+c@x-y.example.org"],
        [".a@b.com"],
        ["a..b@c.com"],
        ["not one"],
        ["a.@b.co"],
    ],
    "authorization_details_types": [["a"]],
    "default_max_age": [1, 0],
    "userinfo_signed_response_alg": ["RS256"],
    "userinfo_encrypted_response_alg": ["RSA"],
    "id_token_signed_response_alg": ["RS256"],
    "request_object_signing_alg": ["ES256", "none"],
    "authorization_signed_response_alg": ["RS256"],
    "authorization_encrypted_response_enc": ["A128CBC-HS256", "x"],
    "authorization_encrypted_response_alg": ["x"],
    "unknown": [1, "x"],
}


def documents(chance: random.Random) -> list[dict[str, Any]]:
    bases = [
        GOOD,
        {**GOOD, "application_type": "native"},
        {**GOOD, **CONFIDENTIAL, "jwks_uri": "https://app.example.com/jwks.json"},
        {**GOOD, **CONFIDENTIAL, "jwks": {"keys": [KEY]}},
    ]
    found = list(bases)
    for base in bases:
        found += [{**base, name: value} for name in VALUES for value in [*VALUES[name], *JUNK]]
        found += [{name: value for name, value in base.items() if name != gone} for gone in base]
    for _ in range(600):
        one = dict(chance.choice(bases))
        for name in chance.sample(sorted(VALUES), chance.randrange(1, 4)):
            one[name] = chance.choice(VALUES[name])
        found.append(one)
    return found


def shows_a_secret(document: dict[str, Any]) -> bool:
    """Tell whether the key set of a document holds a private or shared key."""
    jwks = document.get("jwks")
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    return isinstance(keys, list) and any(isinstance(key, dict) and ("d" in key or "k" in key) for key in keys)


def is_stricter_here(document: dict[str, Any]) -> bool:
    """Tell of the documents that only Tempest refuses."""
    return (
        # Neither is a name of a signature that a public key checks; no assertion of this client would ever pass.
        document.get("token_endpoint_auth_signing_alg") in ("none", "HS256")
        # A secret that is published is none: its owner has to learn it, and the reference passes it over in silence.
        or shows_a_secret(document)
        # Only the shape of a fragment: RFC 6749, 3.1.2.
        or any("#" in str(uri) or is_unplain(str(uri)) for uri in document.get("redirect_uris", []))
    )


def key_sets() -> list[Any]:
    bases: list[dict[str, Any]] = [
        KEY,
        RSA_KEY,
        K256_KEY,
        ED25519_KEY,
        {"kty": "oct", "kid": "t", "k": "aw"},
    ]
    changes: list[dict[str, Any]] = [
        {},
        {"alg": "ES256"},
        {"alg": "ES256K"},
        {"alg": "RS256"},
        {"alg": "EdDSA"},
        {"alg": "none"},
        {"alg": None},
        {"use": "sig"},
        {"use": "enc"},
        {"use": "x"},
        {"use": None},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": ["verify", "encrypt"]},
        {"key_ops": "verify"},
        {"key_ops": ["encrypt"], "use": "sig"},
        {"key_ops": ["encrypt", "wrapKey"], "use": "enc"},
        {"crv": "P-384"},
        {"crv": "P-192"},
        {"crv": "Ed448"},
        {"kty": "X"},
        {"kty": "EC"},
        {"kty": "OKP"},
        {"x": ""},
        {"x": 1},
        {"kid": ""},
        {"kid": 1},
        {"d": "ZA"},
        {"k": "aw"},
        {"d": ""},
        {"e": None},
    ]
    return [{"keys": [{**base, **change}, KEY]} for base in bases for change in changes]


REQUEST = {
    "client_id": CLIENT_ID,
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "scope": "atproto",
    "redirect_uri": "https://app.example.com/cb",
    "state": "s",
}
REQUEST_VALUES: dict[str, list[Any]] = {
    "client_id": ["https://other.example.com/x.json"],
    "response_type": ["code", "token", "code id_token", "none", "other"],
    "response_mode": ["query", "fragment", "form_post", "web_message"],
    "code_challenge": [],
    "code_challenge_method": ["S256", "plain", "s256"],
    "scope": [
        "atproto",
        "atproto transition:generic",
        "transition:generic",
        "atproto repo:*",
        "atproto atproto",
        "openid atproto",
    ],
    "redirect_uri": [
        "https://app.example.com/cb",
        "https://app.example.com/cb/",
        "https://evil.com/",
        "http://127.0.0.1/",
    ],
    "state": ["x" * 500],
    "prompt": ["none", "login", "consent", "select_account", "create", "login consent"],
    "login_hint": [
        "alice.example.com",
        "Alice.Example.com",
        "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        "did:web:a.example.com",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        "a@b.com",
        "alice",
        "did:plc:x",
    ],
    "display": ["page", "popup", "touch", "wap", "tv"],
    "max_age": [0, 60, "60", "-1", -1, 1.5, "x"],
    "dpop_jkt": [CHALLENGE],
    "nonce": ["n"],
    "claims": ["{}"],
    "id_token_hint": ["a.b.c"],
    "ui_locales": ["en", "fr-CA fr en"],
    "authorization_details": ['[{"type":"x"}]'],
}
