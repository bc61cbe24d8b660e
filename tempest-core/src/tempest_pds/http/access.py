"""Who may call a method: the kinds of callers, by what they prove themselves with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tempest_pds.services.credentials import FULL as FULL_SCOPES
from tempest_pds.services.credentials import STANDARD, Scope

if TYPE_CHECKING:
    from tempest_pds.http.oauth_needs import OAuthNeed


@dataclass(frozen=True, slots=True)
class Access:
    """Which callers are let in.

    Attributes:
        scopes: the session scopes that are accepted; None when no session is.
        oauth: what an OAuth token needs beyond being valid; None when no OAuth token is looked at.
        refresh: whether it takes a refresh token, and nothing else.
        allow_expired: whether that refresh token may be past its time.
        service: whether a service token of any account is accepted.
        moderator: whether a service token of the moderation service is accepted.
        admin: whether the administrator is accepted.
        anonymous: whether a call without an Authorization header is accepted.
        refuse_takendown: whether an account that was taken down is refused.
    """

    scopes: frozenset[Scope] | None = None
    oauth: OAuthNeed | None = None
    refresh: bool = False
    allow_expired: bool = False
    service: bool = False
    moderator: bool = False
    admin: bool = False
    anonymous: bool = False
    refuse_takendown: bool = False

    def also(self, *scopes: Scope) -> Access:
        """Accept these session scopes as well."""
        return replace(self, scopes=(self.scopes or frozenset()) | frozenset(scopes))

    def refusing_takendown(self) -> Access:
        """Refuse accounts that were taken down."""
        return replace(self, refuse_takendown=True)

    def apps(self, need: OAuthNeed) -> Access:
        """Look at OAuth tokens as well, and accept those that have what is needed."""
        return replace(self, oauth=need)


NONE: Final = Access(anonymous=True)
ACCESS: Final = Access(scopes=STANDARD)
FULL: Final = Access(scopes=FULL_SCOPES)
REFRESH: Final = Access(refresh=True)
REFRESH_EVEN_EXPIRED: Final = Access(refresh=True, allow_expired=True)
OPTIONAL_SERVICE: Final = Access(service=True, anonymous=True)
ACCESS_OR_SERVICE: Final = Access(scopes=STANDARD, service=True)
ADMIN: Final = Access(admin=True)
MODERATOR: Final = Access(admin=True, moderator=True)
# Anybody; the owner and the administrator may also read what is not public: compare `credentials.did` and `kind`.
OPTIONAL: Final = Access(scopes=STANDARD, admin=True, anonymous=True)
