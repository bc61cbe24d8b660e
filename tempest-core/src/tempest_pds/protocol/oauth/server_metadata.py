"""The two documents by which a client finds its way from a PDS to the endpoints of its provider.

A client first asks the resource server (`/.well-known/oauth-protected-resource`) who issues its tokens, then that
issuer (`/.well-known/oauth-authorization-server`) where and how. Here both are one server. Clients differ in what they
make of a member that is absent, so each that any of them looks for is said outright.

https://atproto.com/specs/oauth#server-metadata, https://www.rfc-editor.org/rfc/rfc8414#section-2,
https://www.rfc-editor.org/rfc/rfc9728#section-2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.authorization_parameters import PROMPTS, RESPONSE_MODES
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS
from tempest_pds.protocol.oauth.pkce import METHODS
from tempest_pds.protocol.oauth.web_url import web_url

PROTECTED_RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
AUTHORIZATION_SERVER_PATH: Final = "/.well-known/oauth-authorization-server"

AUTHORIZE_PATH: Final = "/oauth/authorize"
TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
PUSHED_REQUEST_PATH: Final = "/oauth/par"
REVOKE_PATH: Final = "/oauth/revoke"
JWKS_PATH: Final = "/oauth/jwks"
INTROSPECT_PATH: Final = "/oauth/introspect"

# The granular scopes cannot be listed, as their parameters are the caller's to choose.
_SCOPES: Final = ("atproto", "transition:email", "transition:generic", "transition:chat.bsky")

Json = dict[str, object]


def check_issuer(issuer: str) -> str:
    """Return a URL that may name an issuer: an origin, spelled as browsers do; raise InvalidSyntax."""
    if web_url(issuer).origin != issuer:
        raise InvalidSyntax(f"not the origin of a server: {issuer[:200]!r}")
    return issuer


def protected_resource_metadata(resource: str, *, issuer: str | None = None) -> Json:
    """Return what the resource server at an origin says; its issuer is itself unless another is named."""
    return {
        "resource": check_issuer(resource),
        "authorization_servers": [resource if issuer is None else check_issuer(issuer)],
        "scopes_supported": [],
        "bearer_methods_supported": ["header"],
        "resource_documentation": "https://atproto.com",
    }


def authorization_server_metadata(
    issuer: str,
    *,
    algorithms: Sequence[str] = ACCEPTED_ALGORITHMS,
    ui_locales: Sequence[str] = ("en-US",),
    introspection: bool = False,
) -> Json:
    """Return what the authorization server at an origin says.

    `algorithms` are those in which proofs, assertions and request objects may be signed; ES256 must be among them.
    """
    check_issuer(issuer)
    if "ES256" not in algorithms or "none" in algorithms:
        raise ValueError("the algorithms of an authorization server must include ES256, and not none")
    document: Json = {
        "issuer": issuer,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "scopes_supported": list(_SCOPES),
        "subject_types_supported": ["public"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": list(METHODS),
        "ui_locales_supported": list(ui_locales),
        "display_values_supported": ["page", "popup", "touch"],
        "prompt_values_supported": list(PROMPTS),
        "request_object_signing_alg_values_supported": [*algorithms, "none"],
        "authorization_response_iss_parameter_supported": True,
        "request_object_encryption_alg_values_supported": [],
        "request_object_encryption_enc_values_supported": [],
        "jwks_uri": issuer + JWKS_PATH,
        "authorization_endpoint": issuer + AUTHORIZE_PATH,
        "token_endpoint": issuer + TOKEN_PATH,
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(algorithms),
        "revocation_endpoint": issuer + REVOKE_PATH,
        "pushed_authorization_request_endpoint": issuer + PUSHED_REQUEST_PATH,
        "require_pushed_authorization_requests": True,
        "dpop_signing_alg_values_supported": list(algorithms),
        "protected_resources": [issuer],
        "client_id_metadata_document_supported": True,
    }
    if introspection:
        document["introspection_endpoint"] = issuer + INTROSPECT_PATH
    return document
