"""Who asks, and how it was proven."""

from dataclasses import dataclass
from enum import StrEnum

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did


class Scope(StrEnum):
    """What a session token of this server allows; the values are what the reference server writes into its tokens."""

    ACCESS = "com.atproto.access"
    REFRESH = "com.atproto.refresh"
    APP_PASS = "com.atproto.appPass"  # noqa: S105 - the name of a scope
    APP_PASS_PRIVILEGED = "com.atproto.appPassPrivileged"  # noqa: S105 - the name of a scope
    SIGNUP_QUEUED = "com.atproto.signupQueued"
    TAKENDOWN = "com.atproto.takendown"


class Kind(StrEnum):
    """How the caller was recognised."""

    ACCESS = "access"
    REFRESH = "refresh"
    SERVICE = "service"
    MODERATOR = "moderator"
    ADMIN = "admin"
    OAUTH = "oauth"


FULL = frozenset({Scope.ACCESS})
PRIVILEGED = FULL | {Scope.APP_PASS_PRIVILEGED}
STANDARD = PRIVILEGED | {Scope.APP_PASS}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A caller that was recognised.

    Attributes:
        did: whose authority the call has; None only for the administrator.
        scope: of a session token; None for every other kind.
        token_id: of a refresh token (`jti`), the key of its row.
        issued_at: when an access token was made, in seconds since the epoch.
        permissions: of an OAuth token; None for every other kind.
        client_id: of the app that an OAuth token was given to.
        factor_at: when the session was opened with the account's second factor, in seconds since the epoch; None when
            it was opened without one. Of an OAuth token, when the app was let in, which takes all that the account has.
    """

    did: Did | None
    scope: Scope | None
    kind: Kind
    token_id: str | None = None
    issued_at: float | None = None
    permissions: ScopeSet | None = None
    client_id: str | None = None
    factor_at: float | None = None

    @property
    def is_full(self) -> bool:
        """Tell whether the account's own password stands behind the session."""
        return self.scope in FULL

    @property
    def is_privileged(self) -> bool:
        """Tell whether the session may act for the account in private matters such as direct messages."""
        return self.scope in PRIVILEGED

    @property
    def is_takendown(self) -> bool:
        """Tell whether the session is the narrow one that an account gets after a takedown."""
        return self.scope is Scope.TAKENDOWN

    @property
    def account(self) -> Did:
        """Give the DID of a caller that is known to have one."""
        assert self.did is not None, "the method's declared auth kind guarantees a DID"
        return self.did
