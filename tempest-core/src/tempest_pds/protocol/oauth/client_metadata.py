"""A client's metadata: what a stranger's document must say before a person is asked to trust the app.

The document is JSON at the client id's URL. Whoever can serve it *is* the client, so every claim in it is held against
that URL: the document names its own address, `client_uri` is above it on the same origin, a private-use redirect scheme
is its host reversed. What the document may ask for is what the AT Protocol allows: codes with PKCE, tokens bound by
DPoP, and either no client authentication or signed assertions (`private_key_jwt`).

Members that no rule here knows are passed over. A known member of the wrong type is refused, `null` included.

https://atproto.com/specs/oauth#clients, https://www.rfc-editor.org/rfc/rfc7591#section-2
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.client_id import (
    ClientId,
    DiscoverableClientId,
    LoopbackClientId,
)
from tempest_pds.protocol.oauth.errors import InvalidClientMetadata, InvalidJwk, InvalidRedirectUri
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.scope_syntax import is_scope_text
from tempest_pds.protocol.oauth.web_url import WebUrl, public_https_url, web_url

ApplicationType = Literal["web", "native"]
AuthMethod = Literal["none", "private_key_jwt"]

RESPONSE_TYPES: Final = frozenset(
    {"code", "token", "none", "code id_token token", "code id_token", "code token", "id_token token", "id_token"}
)
GRANT_TYPES: Final = frozenset({"authorization_code", "refresh_token"})

# Each with what it would ask of a provider that does no OpenID Connect, no encrypted answers and no details.
_UNSUPPORTED: Final = (
    "default_max_age",
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_alg",
    "id_token_signed_response_alg",
    "authorization_encrypted_response_enc",
)
_TEXTS: Final = (
    "client_name",
    "request_object_signing_alg",
    "authorization_signed_response_alg",
    "authorization_encrypted_response_alg",
)
MAX_NAME_LENGTH: Final = 1_000
MAX_REDIRECT_URIS: Final = 500
"""Each is read with the document, and held against each request."""
_EMAIL: Final = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+.-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """A client whose document has passed every rule; `jwks` is None where the document holds no keys itself."""

    client_id: ClientId
    redirect_uris: tuple[RedirectUri, ...]
    scope: str
    application_type: ApplicationType
    token_endpoint_auth_method: AuthMethod
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    token_endpoint_auth_signing_alg: str | None = None
    request_object_signing_alg: str | None = None
    jwks_uri: str | None = None
    jwks: JwkSet | None = None
    client_name: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()

    @property
    def is_confidential(self) -> bool:
        """Whether the client proves with a key of its own who it is."""
        return self.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 - the name of a method

    @property
    def is_loopback(self) -> bool:
        """Whether it is a client under development, which anyone can claim to be."""
        return isinstance(self.client_id, LoopbackClientId)

    @property
    def may_refresh(self) -> bool:
        """Whether the client is to get refresh tokens."""
        return "refresh_token" in self.grant_types

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the client may ever ask for."""
        return frozenset(self.scope.split(" "))

    @property
    def default_redirect_uri(self) -> RedirectUri | None:
        """Where to answer a request that does not say; None when there is more than one choice."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def admits_redirect(self, requested: RedirectUri) -> bool:
        """Tell whether a request may have its answer at `requested`."""
        return any(uri.admits(requested) for uri in self.redirect_uris)


def read_client_metadata(client_id: DiscoverableClientId, document: object) -> ClientMetadata:
    """Check the document found at a client id; raise InvalidClientMetadata or InvalidRedirectUri, naming the member."""
    if not isinstance(document, Mapping):
        raise InvalidClientMetadata("client metadata must be a JSON object")
    if document.get("client_id") != client_id:
        raise InvalidClientMetadata(f"client_id must be the URL of the document, {str(client_id)!r}")
    _check_unsupported(document)
    application_type = _choice(document, "application_type", ("web", "native"), "web")
    _choice(document, "subject_type", ("public",), "public")
    grant_types = _grant_types(document)
    response_types = _response_types(document)
    if _flag(document, "dpop_bound_access_tokens") is not True:
        raise InvalidClientMetadata("dpop_bound_access_tokens must be true")
    method = _auth_method(document, application_type)
    jwks, jwks_uri = _keys(document, method)
    return ClientMetadata(
        client_id=client_id,
        redirect_uris=_redirect_uris(document, client_id, application_type),
        scope=_scope(document),
        application_type=cast("ApplicationType", application_type),
        token_endpoint_auth_method=method,
        grant_types=grant_types,
        response_types=response_types,
        token_endpoint_auth_signing_alg=_signing_alg(document, method),
        request_object_signing_alg=_text(document, "request_object_signing_alg"),
        jwks_uri=jwks_uri,
        jwks=jwks,
        client_name=_name(document),
        client_uri=_client_uri(document, client_id),
        logo_uri=_link(document, "logo_uri"),
        policy_uri=_link(document, "policy_uri"),
        tos_uri=_link(document, "tos_uri"),
        contacts=_contacts(document),
    )


def _check_unsupported(document: Document) -> None:
    for name in _UNSUPPORTED:
        if name in document:
            raise InvalidClientMetadata(f"{name} is not supported")
    for name in _TEXTS:
        _text(document, name)
    _flag(document, "require_auth_time")
    if _flag(document, "tls_client_certificate_bound_access_tokens"):
        raise InvalidClientMetadata("tls_client_certificate_bound_access_tokens is not supported")
    if _texts(document, "authorization_details_types", ()):
        raise InvalidClientMetadata("authorization_details_types are not supported")


def _grant_types(document: Document) -> tuple[str, ...]:
    found = _texts(document, "grant_types", ("authorization_code",))
    for grant_type in found:
        if grant_type not in GRANT_TYPES:
            raise InvalidClientMetadata(f"grant_types: {grant_type[:80]!r} is not supported")
    if len(set(found)) != len(found):
        raise InvalidClientMetadata("grant_types must not name one twice")
    if "authorization_code" not in found:
        raise InvalidClientMetadata('grant_types must include "authorization_code"')
    return found


def _response_types(document: Document) -> tuple[str, ...]:
    found = _texts(document, "response_types", ("code",))
    for response_type in found:
        if response_type not in RESPONSE_TYPES:
            raise InvalidClientMetadata(f"response_types: {response_type[:80]!r} is unknown")
    if "code" not in found:
        raise InvalidClientMetadata('response_types must include "code"')
    return found


def _scope(document: Document) -> str:
    scope = _text(document, "scope")
    if scope is None:
        raise InvalidClientMetadata("scope is missing")
    if not is_scope_text(scope):
        raise InvalidClientMetadata("scope must be a list of scopes with one space between each two")
    scopes = scope.split(" ")
    if "atproto" not in scopes:
        raise InvalidClientMetadata('scope must include "atproto"')
    if len(set(scopes)) != len(scopes):
        raise InvalidClientMetadata("scope must not name one twice")
    return scope


def _auth_method(document: Document, application_type: str) -> AuthMethod:
    method = document.get("token_endpoint_auth_method")
    if method not in ("none", "private_key_jwt"):
        raise InvalidClientMetadata('token_endpoint_auth_method must be "none" or "private_key_jwt"')
    if application_type == "native" and method != "none":
        raise InvalidClientMetadata('token_endpoint_auth_method of a native client must be "none"')
    return method


def _signing_alg(document: Document, method: AuthMethod) -> str | None:
    algorithm = _text(document, "token_endpoint_auth_signing_alg")
    if method == "none":
        if algorithm:
            raise InvalidClientMetadata('token_endpoint_auth_signing_alg is not for token_endpoint_auth_method "none"')
        return None
    if not algorithm:
        raise InvalidClientMetadata("token_endpoint_auth_signing_alg is missing")
    # The name of no signature at all, and of those that a shared secret makes.
    if algorithm == "none" or algorithm.startswith("HS"):
        raise InvalidClientMetadata("token_endpoint_auth_signing_alg must be one of a public key")
    return algorithm


def _keys(document: Document, method: AuthMethod) -> tuple[JwkSet | None, str | None]:
    uri = _text(document, "jwks_uri")
    if uri is not None:
        if "jwks" in document:
            raise InvalidClientMetadata("jwks and jwks_uri exclude each other")
        try:
            public_https_url(uri)
        except InvalidSyntax as error:
            raise InvalidClientMetadata(f"jwks_uri: {error}") from error
        return None, uri
    try:
        keys = JwkSet.parse(document["jwks"]) if "jwks" in document else None
    except InvalidJwk as error:
        raise InvalidClientMetadata(f"jwks: {error}") from error
    # A session is bound to the name of the key that signed for it, too.
    if method == "private_key_jwt" and not (keys and any(key.kid for key in keys.keys)):
        raise InvalidClientMetadata('"private_key_jwt" needs jwks_uri, or jwks with a public key that has a kid')
    return keys, None


def _redirect_uris(
    document: Document, client_id: DiscoverableClientId, application_type: str
) -> tuple[RedirectUri, ...]:
    texts = _texts(document, "redirect_uris", None)
    if len(texts) > MAX_REDIRECT_URIS:
        raise InvalidClientMetadata(f"redirect_uris must not have more than {MAX_REDIRECT_URIS} entries")
    found = tuple(RedirectUri.parse(text) for text in texts)
    for uri in found:
        if application_type != "native" and (uri.is_loopback or uri.private_scheme):
            raise InvalidRedirectUri(f'redirect_uri {uri!r}: is for application_type "native" only')
        if uri.private_scheme and uri.private_scheme != client_id.private_scheme:
            raise InvalidRedirectUri(
                f"redirect_uri {uri!r}: the scheme must be the client_id's host reversed, {client_id.private_scheme!r}"
            )
    return found


def _client_uri(document: Document, client_id: DiscoverableClientId) -> str | None:
    text = _link(document, "client_uri")
    if text is None:
        return None
    above, below = WebUrl.parse(text), client_id.url
    if above.origin != below.origin:
        raise InvalidClientMetadata("client_uri must have the same origin as client_id")
    if above.path != below.path and not below.path.startswith(above.path.removesuffix("/") + "/"):
        raise InvalidClientMetadata("client_uri must be a parent of client_id")
    return text


def _name(document: Document) -> str | None:
    name = _text(document, "client_name")
    if name is not None and len(name) > MAX_NAME_LENGTH:
        raise InvalidClientMetadata(f"client_name must not have more than {MAX_NAME_LENGTH} characters")
    return name


def _contacts(document: Document) -> tuple[str, ...]:
    found = _texts(document, "contacts", ())
    if not all(_EMAIL.fullmatch(contact) for contact in found):
        raise InvalidClientMetadata("contacts must be e-mail addresses")
    return found


def _link(document: Document, name: str) -> str | None:
    text = _text(document, name)
    if text is not None:
        try:
            web_url(text)
        except InvalidSyntax as error:
            raise InvalidClientMetadata(f"{name}: {error}") from error
    return text


def _text(document: Document, name: str) -> str | None:
    value = document.get(name)
    if value is None and name not in document:
        return None
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # Half of a surrogate pair is JSON, and a text that can be written nowhere.
        raise InvalidClientMetadata(f"{name} must be Unicode") from error
    return value


def _flag(document: Document, name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise InvalidClientMetadata(f"{name} must be true or false")
    return value


def _choice(document: Document, name: str, choices: tuple[str, ...], default: str) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise InvalidClientMetadata(f"{name} must be " + " or ".join(f'"{choice}"' for choice in choices))
    return value


def _texts(document: Document, name: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
    """Read a list of strings; it may be empty only where an empty one is the default."""
    if name not in document and default is not None:
        return default
    value = document.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or (not value and default != ()):
        raise InvalidClientMetadata(f"{name} must be a list of strings" + ("" if default == () else ", not empty"))
    return tuple(value)
