"""What an OAuth provider refuses, each under the code that the client reads in `error`.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1, https://www.rfc-editor.org/rfc/rfc7591#section-3.2.2
"""

from __future__ import annotations

from typing import ClassVar

from tempest_pds.protocol.errors import ProtocolError


class OAuthError(ProtocolError):
    """A refusal of the provider; its text is the `error_description`."""

    code: ClassVar[str] = "invalid_request"


class InvalidClientId(OAuthError):
    """A client id that is neither a URL of a metadata document nor one of a loopback client."""

    code = "invalid_client_id"


class InvalidClientMetadata(OAuthError):
    """A client's document that breaks a rule."""

    code = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    """A redirect URI that no client may have, or that this client has not."""

    code = "invalid_redirect_uri"


class InvalidRequest(OAuthError):
    """Parameters that are missing, malformed, given twice or not supported."""

    code = "invalid_request"


class UnsupportedResponseType(OAuthError):
    """A response type other than `code`."""

    code = "unsupported_response_type"


class UnauthorizedClient(OAuthError):
    """A request that this client's own document does not allow it."""

    code = "unauthorized_client"


class InvalidScope(OAuthError):
    """A scope that is malformed, lacks `atproto`, or is not among those the client declares."""

    code = "invalid_scope"


class ConsentRequired(OAuthError):
    """Silent sign-in by a client that must ask for consent each time."""

    code = "consent_required"
