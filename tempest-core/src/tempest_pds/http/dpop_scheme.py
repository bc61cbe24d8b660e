"""`Authorization: DPoP`: an access token of the OAuth provider, with a proof that its sender holds the key it is for.

Every answer to such a call carries the nonce of the next proof. A proof without a nonce is answered with 401 and
`use_dpop_nonce`, after which the client sends the same once more; a token that is over with 401 and `invalid_token`,
after which it refreshes. Clients read both from `WWW-Authenticate` alone, and only from a 401 that begins with `DPoP`,
so no refusal here is a 400, unlike those of session tokens.

https://www.rfc-editor.org/rfc/rfc9449#section-7
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Final, Protocol

from tempest_pds.http.context import Call
from tempest_pds.http.errors import XrpcError
from tempest_pds.protocol.oauth.errors import InvalidAccessToken, InvalidDpopProof, OAuthError, UseDpopNonce
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.credentials import Credentials, Kind
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.oauth.dpop import Proof
from tempest_pds.services.oauth.tokens import AccessGrant

_ALGORITHMS: Final = " ".join(ACCEPTED_ALGORITHMS)


class Proofs(Protocol):
    """What checks proofs."""

    def nonce(self) -> str:
        """Give the nonce that is to be used from now on."""
        ...

    def check(
        self, headers: Sequence[bytes], *, method: str, uri: str, access_token: str | None = None
    ) -> Proof | None:
        """Check the DPoP headers of a request, None when there is none; raise InvalidDpopProof or UseDpopNonce."""
        ...


class AccessTokens(Protocol):
    """What checks access tokens."""

    def verify_access(self, token: str) -> AccessGrant:
        """Check an access token, and that its session has not ended; raise InvalidToken or ExpiredToken."""
        ...

    def look_again(self, token: str) -> AccessGrant:
        """Check of a token that was good that its session has not ended since; raise InvalidToken."""
        ...


class DpopScheme:
    """Turn an access token and its proof into credentials."""

    def __init__(self, proofs: Proofs, tokens: AccessTokens) -> None:
        self._proofs = proofs
        self._tokens = tokens

    def authenticate(self, call: Call, token: str) -> tuple[Credentials, ScopeSet]:
        """Give the credentials of an app, and what it was granted; raise XrpcError as clients understand it."""
        try:
            grant = self._grant(call, token)
        except (InvalidToken, ExpiredToken) as error:
            raise _refusal(InvalidAccessToken(str(error))) from error
        except (UseDpopNonce, InvalidDpopProof, InvalidAccessToken) as error:
            raise _refusal(error) from error
        finally:
            # Not before: a look at a proof may make all former nonces worthless.
            call.response_headers.append((b"dpop-nonce", self._proofs.nonce().encode("ascii")))
        return _credentials(grant), grant.permissions

    def look_again(self, token: str) -> tuple[Credentials, ScopeSet]:
        """Give the same for a token that was proven before the body came; a proof is for one use."""
        try:
            grant = self._tokens.look_again(token)
        except InvalidToken as error:
            raise _refusal(InvalidAccessToken(str(error))) from error
        return _credentials(grant), grant.permissions

    def _grant(self, call: Call, token: str) -> AccessGrant:
        scope = call.exchange.scope
        try:
            proof = self._proofs.check(
                [value for name, value in scope["headers"] if name == b"dpop"],
                method=call.http_method,
                uri=call.services.server.public_url.rstrip("/") + scope["raw_path"].decode("latin-1"),
                access_token=token,
            )
        except InvalidDpopProof:
            # While one request of an app refreshes, another may send the old token with a proof for the new one, as
            # with the protocol's SDK for Go. It comes again only if it hears that the token is over.
            self._tokens.verify_access(token)
            raise
        grant = self._tokens.verify_access(token)
        if proof is None:
            raise InvalidDpopProof("DPoP proof required")
        if not compare_digest(proof.thumbprint.encode(), grant.thumbprint.encode()):
            raise InvalidAccessToken("Invalid DPoP key binding")
        return grant


def _credentials(grant: AccessGrant) -> Credentials:
    return Credentials(
        did=grant.did,
        scope=None,
        kind=Kind.OAUTH,
        permissions=grant.permissions,
        client_id=grant.client_id,
        factor_at=grant.granted_at / 1_000_000,
    )


def _refusal(error: OAuthError) -> XrpcError:
    challenge = f'DPoP algs="{_ALGORITHMS}", error="{error.code}", error_description="{error.description}"'
    return XrpcError(401, error.code, error.description, ((b"www-authenticate", challenge.encode("ascii")),))
