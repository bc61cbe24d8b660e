"""What an OAuth provider refuses.

An `OAuthError` has the code that the client reads in `error`, and its text, in the characters that are allowed there,
is the `error_description`. A text quotes nothing long that the client sent. Which status goes with it is for `http` to
say. What is no `OAuthError` never reaches a client as it is.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1, https://www.rfc-editor.org/rfc/rfc7591#section-3.2.2,
https://www.rfc-editor.org/rfc/rfc9449#section-5
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from tempest_pds.protocol.errors import ProtocolError

TEMPORARILY_UNAVAILABLE: Final = "temporarily_unavailable"
_NOT_IN_DESCRIPTIONS: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


class OAuthError(ProtocolError):
    """A refusal of the provider."""

    code: ClassVar[str] = "invalid_request"
    """What the client reads in `error`."""

    @property
    def description(self) -> str:
        """What the client reads in `error_description`, of which RFC 6749, section 5.2, knows no `"` and no `\\`."""
        return _NOT_IN_DESCRIPTIONS.sub("?", str(self).replace('"', "'"))


# Clients


class InvalidClientId(OAuthError):
    """A client id that is neither a URL of a metadata document nor one of a loopback client."""

    code = "invalid_client_id"


class InvalidClientMetadata(OAuthError):
    """A client's document that breaks a rule."""

    code = "invalid_client_metadata"


class ClientUnavailable(InvalidClientMetadata):
    """A client's document or keys that cannot be had now, and may be had in a while. Nothing is used up by this."""

    code = TEMPORARILY_UNAVAILABLE


class InvalidRedirectUri(OAuthError):
    """A redirect URI that no client may have, or that this client has not."""

    code = "invalid_redirect_uri"


class InvalidClientAssertion(OAuthError):
    """A client assertion that does not prove the client to be itself."""

    code = "invalid_client"


# Requests


class InvalidRequest(OAuthError):
    """Parameters that are missing, malformed, given twice or not supported."""

    code = "invalid_request"


class UnsupportedResponseType(OAuthError):
    """A response type other than `code`."""

    code = "unsupported_response_type"


class UnauthorizedClient(OAuthError):
    """A request that this client's own document does not allow it."""

    code = "unauthorized_client"


class ConsentRequired(OAuthError):
    """Silent sign-in by a client that must ask for consent each time."""

    code = "consent_required"


class InvalidRequestObject(InvalidRequest):
    """A signed authorization request that is not taken."""


class InvalidCodeChallenge(InvalidRequest):
    """A PKCE challenge that is not the S256 of anything."""


class InvalidCodeVerifier(OAuthError):
    """A PKCE verifier that is malformed, or not the one that was challenged."""

    code = "invalid_grant"


class InvalidGrant(OAuthError):
    """A code, a refresh token or a session that is over, or that is not this client's."""

    code = "invalid_grant"


class MisusedGrant(InvalidGrant):
    """A code or a refresh token that comes twice, or from who was not given it: somebody holds a copy."""


class UnsupportedGrantType(OAuthError):
    """A grant type other than `authorization_code` and `refresh_token`."""

    code = "unsupported_grant_type"


# Proof of possession


class InvalidDpopProof(OAuthError):
    """A DPoP proof that does not prove it. To send it again with a nonce would not help."""

    code = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """A DPoP proof in which only the nonce is absent or too old. With a new one it is good."""

    code = "use_dpop_nonce"


class InvalidAccessToken(OAuthError):
    """An access token that is none, is over, was revoked, or is bound to another key. A new one would do."""

    code = "invalid_token"


# Scopes


class InvalidScope(OAuthError):
    """A scope that is malformed, lacks `atproto`, or is not among those the client declares."""

    code = "invalid_scope"


class ScopeMissing(ProtocolError):
    """What a client tries needs a scope that it does not have; `scope` is the one that would do."""

    def __init__(self, scope: str) -> None:
        """Name the scope; the message is the reference's, because clients show it and people search for it."""
        super().__init__(f'Missing required scope "{scope}"')
        self.scope = scope


class InvalidPermissionSet(ProtocolError):
    """A Lexicon document that is not the permission set it is asked for."""


# Keys and what is signed with them


class InvalidJwk(ProtocolError):
    """A JSON Web Key or key set that signatures are not verified with."""


class UnknownJwk(ProtocolError):
    """A token names a key that its client does not list, or names it so that several are meant."""


class InvalidSignedToken(ProtocolError):
    """A token of a client that is malformed, not signed by the right key, or out of its time."""
