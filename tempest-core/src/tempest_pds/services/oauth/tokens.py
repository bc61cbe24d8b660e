"""The token endpoint and what it gives out: codes and refresh tokens become access tokens, which end or are revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.oauth.errors import InvalidRequest, UnsupportedGrantType
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.oauth.access_tokens import AccessClaims, AccessTokens
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.code_grant import CodeGrant
from tempest_pds.services.oauth.parsed_scopes import ParsedScopes
from tempest_pds.services.oauth.refresh_grant import RefreshGrant
from tempest_pds.services.oauth.refresh_tokens import RefreshTokens
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_sessions import OAuthSession

TOKEN_TYPE: Final = "DPoP"  # noqa: S105 - the name of a type
_INACTIVE: Final[Mapping[str, object]] = {"active": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """What a valid access token allows.

    Attributes:
        thumbprint: of the DPoP key that the token is bound to.
        permissions: with every `include:` expanded.
        granted_at: when the account's owner let the app in, in microseconds since 1970.
    """

    did: Did
    client_id: str
    session_id: str
    thumbprint: str
    permissions: ScopeSet
    granted_at: int


class OAuthTokens:
    """Give out, check and take back tokens."""

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        sessions: OAuthSessions,
        codes: CodeGrant,
        refreshes: RefreshGrant,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
    ) -> None:
        self._store = store
        self._writer = writer
        self._sessions = sessions
        self._codes = codes
        self._refreshes = refreshes
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._permissions = ParsedScopes()

    async def exchange(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, *, dpop_thumbprint: str
    ) -> dict[str, object]:
        """Answer a token request of either grant type; raise an OAuthError."""
        match fields.get("grant_type"):
            case "authorization_code":
                session = await self._codes.exchange(fields, client, client_auth, dpop_thumbprint)
            case "refresh_token":
                session = await self._refreshes.refresh(fields, client, client_auth, dpop_thumbprint)
            case None:
                raise InvalidRequest("grant_type is required")
            case _:
                raise UnsupportedGrantType("grant_type must be authorization_code or refresh_token")
        access_token, seconds = self._access_tokens.make(session)
        answer: dict[str, object] = {
            "access_token": access_token,
            "token_type": TOKEN_TYPE,
            "expires_in": seconds,
            "scope": session.permissions,
            "sub": session.did,
        }
        if client.metadata.may_refresh:
            answer["refresh_token"] = self._refresh_tokens.make(session.id, session.generation)
        return answer

    async def revoke(self, token: str, client: Client) -> None:
        """End the session that a token of this client belongs to. A token that is none is no error."""
        session_id = self._session_id(token)
        session = None if session_id is None else self._store.oauth_sessions.get(session_id)
        if session is not None and session.client_id == client.client_id:
            await self._writer.run(self._store.oauth_sessions.delete, session.id)

    def introspect(self, token: str, client_id: str | None) -> Mapping[str, object]:
        """Tell what a token is good for: RFC 7662.

        Args:
            client_id: of the client that asks: others' tokens are none of its business. None for the administrator.
        """
        named = self._refresh_tokens.read(token)
        if named is not None:
            session = self._sessions.find(named[0])
            good = session is not None and named[1] == session.generation
            members: Mapping[str, object] = (
                {} if session is None else {"exp": min(session.idle_after, session.ends_at) // SECOND}
            )
        else:
            try:
                claims = self._access_tokens.verify(token)
            except (InvalidToken, ExpiredToken):
                return _INACTIVE
            session, good = self._sessions.find(claims.session_id), True
            members = claims.others | {"token_type": TOKEN_TYPE}
        if session is None or not good or client_id not in (None, session.client_id):
            return _INACTIVE
        return {"active": True, **_described(session), **members}

    def verify_access(self, token: str) -> AccessGrant:
        """Check an access token, and that its session has not ended; raise InvalidToken or ExpiredToken."""
        return self._grant(self._access_tokens.verify(token))

    def look_again(self, token: str) -> AccessGrant:
        """Tell what a token that was good is good for now, be it over meanwhile; raise InvalidToken if it was revoked.

        A call that was begun in time may last as long as its body, but not longer than its session.
        """
        return self._grant(self._access_tokens.read(token))

    def _grant(self, claims: AccessClaims) -> AccessGrant:
        session = self._sessions.find(claims.session_id)
        if session is None or (session.did, session.dpop_jkt) != (claims.did, claims.thumbprint):
            raise InvalidToken("Token has been revoked")
        self._sessions.note_use(session)
        return AccessGrant(
            did=session.did,
            client_id=session.client_id,
            session_id=session.id,
            thumbprint=session.dpop_jkt,
            permissions=self._permissions(session.permissions),
            granted_at=session.created_at,
        )

    def _session_id(self, token: str) -> str | None:
        """Tell the session of a token of either kind, which may be over: who revokes it means the session."""
        named = self._refresh_tokens.read(token)
        if named is not None:
            return named[0]
        try:
            return self._access_tokens.read(token).session_id
        except InvalidToken:
            return None


def _described(session: OAuthSession) -> dict[str, object]:
    return {
        "scope": session.permissions,
        "client_id": session.client_id,
        "sub": session.did,
        "cnf": {"jkt": session.dpop_jkt},
    }
