"""Tokens between services: a JWT that an account's own key signs, for one server and one method.

https://atproto.com/specs/xrpc#inter-service-authentication-jwt. `iss` is who acts, `aud` the server that may take the
token, `lxm` the method it is good for, `exp` its end, at most an hour away and usually a minute.
"""

import secrets
import time
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final, Protocol

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.keys import PrivateKey, PublicKey
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax, ProtocolError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.errors import (
    AuthenticationRequired,
    BadExpiration,
    BadJwt,
    BadJwtAudience,
    BadJwtIss,
    BadJwtLexiconMethod,
    BadJwtSignature,
    BadJwtType,
    InvalidRequest,
    InvalidToken,
    JwtExpired,
    UntrustedIss,
)
from tempest_pds.services.method_rules import CREATE_ACCOUNT, is_privileged, is_protected

DEFAULT_SECONDS: Final = 60
MAX_SECONDS: Final = 60 * 60
_FRESH_SECONDS: Final = 10.0
_OTHER_KINDS: Final = frozenset(("at+jwt", "refresh+jwt", "dpop+jwt"))
# The key that signs for each kind of issuer: a labeler is named as `did#atproto_labeler`.
_KEY_OF_SERVICE: Final = {"": "atproto", "atproto_labeler": "atproto_label"}

_public_key = lru_cache(maxsize=512)(parse_did_key)


class SigningKeys(Protocol):
    """Where the accounts' own keys are."""

    def signing_key(self, did: Did) -> PrivateKey:
        """Give the key that an account's repository is signed with."""
        ...


class ServiceAuth:
    """Make and check service tokens.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self, keys: SigningKeys, dids: DidResolver, own_did: Did, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._dids = dids
        self._own_did = own_did
        self._clock = clock

    def mint(self, issuer: Did, audience: str, method: str | None, expires_at: int | None = None) -> str:
        """Sign a token in the name of an account of this server, good for a minute unless said otherwise."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iat": now,
            "iss": issuer,
            "aud": audience,
            "exp": now + DEFAULT_SECONDS if expires_at is None else expires_at,
        }
        if method is not None:
            claims["lxm"] = method
        claims["jti"] = secrets.token_hex(16)
        return jwt.encode({"typ": "JWT"}, claims, self._keys.signing_key(issuer))

    def mint_for(self, caller: Credentials, audience: str, method: str | None, expires_at: int | None) -> str:
        """Answer com.atproto.server.getServiceAuth: sign a token that the account itself asks for.

        An app must have been granted `rpc:` of the method and the audience; who calls looks at that.

        Raises:
            BadExpiration: the end is past, more than an hour away, or more than a minute away without a method.
            InvalidToken: an account that was taken down asks for anything but moving out.
            InvalidRequest: the audience is malformed, or the method is never given out, or not to this session.
        """
        _check_audience(audience)
        if caller.permissions is None:
            _check_session(caller, method)
        if expires_at is not None:
            self._check_expiration(expires_at, method)
        if method is not None and is_protected(method):
            raise InvalidRequest(f"cannot request a service auth token for the following protected method: {method}")
        return self.mint(caller.account, audience, method, expires_at)

    async def verify(self, token: str, method: str, *, issuers: Collection[str] | None = None) -> Did:
        """Check a token that another service sent for `method`, and give the DID it speaks for.

        Args:
            issuers: who may speak, as DIDs or `did#service`; None lets any account, by its own key alone.

        Raises:
            AuthenticationRequired: one of its kinds, BadJwt to UntrustedIss.
        """
        try:
            parsed = jwt.decode_unverified(token)
        except InvalidSyntax as error:
            raise BadJwt("poorly formatted jwt") from error
        issuer = self._check_claims(parsed, method)
        if issuers is not None and issuer not in issuers:
            raise UntrustedIss("Untrusted issuer")
        did_text, _, service = issuer.partition("#")
        if not Did.is_valid(did_text) or service not in _KEY_OF_SERVICE or (service and issuers is None):
            raise BadJwtIss("jwt iss is not a valid did")
        did, key_id = Did.parse(did_text), _KEY_OF_SERVICE[service]
        # Nobody gets an account with a key that its DID has given up.
        key = await self._key(did, key_id, max_age=0 if method == CREATE_ACCOUNT else None)
        if key is None or not _is_signed(parsed, key):
            # The account may have changed its key since its document was read. Not asked without end: a stranger can
            # send as many bad tokens as he likes.
            fresh = await self._key(did, key_id, max_age=_FRESH_SECONDS)
            if fresh is None:
                raise AuthenticationRequired("missing or bad key in did doc")
            if fresh == key or not _is_signed(parsed, fresh):
                raise BadJwtSignature("jwt signature does not match jwt issuer")
        return did

    def _check_claims(self, token: jwt.Jwt, method: str) -> str:
        kind = token.header.get("typ")
        if isinstance(kind, str) and kind.lower() in _OTHER_KINDS:
            raise BadJwtType(f'Invalid jwt type "{kind}"')
        issuer, audience, expires_at = (token.claims.get(name) for name in ("iss", "aud", "exp"))
        if (
            not isinstance(issuer, str)
            or not isinstance(audience, str)
            or not isinstance(expires_at, int | float)
            or isinstance(expires_at, bool)
        ):
            raise BadJwt("poorly formatted jwt")
        if self._clock() > expires_at:
            raise JwtExpired("jwt expired")
        if audience not in (self._own_did, f"{self._own_did}#atproto_pds"):
            raise BadJwtAudience("jwt audience does not match service did")
        named = token.claims.get("lxm")
        if named != method:
            problem = "missing" if named is None else "bad"
            raise BadJwtLexiconMethod(f'{problem} jwt lexicon method ("lxm"). must match: {method}')
        return issuer

    async def _key(self, did: Did, key_id: str, *, max_age: float | None) -> PublicKey | None:
        try:
            document = await self._dids.resolve(did, max_age=max_age)
        except RemoteError as error:
            raise AuthenticationRequired("could not resolve iss did") from error
        text = document.verification_key(key_id)
        if text is None:
            return None
        try:
            return _public_key(text)
        except ProtocolError:
            return None

    def _check_expiration(self, expires_at: int, method: str | None) -> None:
        left = expires_at - self._clock()
        if left < 0:
            raise BadExpiration("expiration is in past")
        if left > MAX_SECONDS:
            raise BadExpiration("cannot request a token with an expiration more than an hour in the future")
        if method is None and left > DEFAULT_SECONDS:
            raise BadExpiration(
                "cannot request a method-less token with an expiration more than a minute in the future"
            )


def _check_session(caller: Credentials, method: str | None) -> None:
    if caller.is_takendown and method != CREATE_ACCOUNT:
        raise InvalidToken("Bad token scope")
    if method is not None and is_privileged(method) and not (caller.is_privileged or caller.is_takendown):
        raise InvalidRequest(f"insufficient access to request a service auth token for the following method: {method}")


def _check_audience(audience: str) -> None:
    did, hash_sign, service = audience.partition("#")
    if (
        not Did.is_valid(did)
        or Did.parse(did).method not in ("plc", "web")
        or (hash_sign and not service)
        or "#" in service
    ):
        raise InvalidRequest("aud must be a valid atproto DID or did#serviceId reference")


def _is_signed(token: jwt.Jwt, key: PublicKey) -> bool:
    try:
        jwt.verify_with_key(token, key)
    except InvalidSignature:
        return False
    return True
