"""What a method needs of an OAuth token: each kind of need once, for the table in `method_access`.

A need is looked at twice: before the body is read, and again when it is. Where what is needed depends on the service
that a call is passed on to, and that is known only when it is found, `services.proxy` looks a third time.

The needs, refusals and their order are the reference server's, whose clients search for the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tempest_pds.http.errors import XrpcError
from tempest_pds.protocol.oauth.permissions import (
    REPO_ACTIONS,
    AccountAction,
    AccountAttribute,
    AccountPermission,
    IdentityAttribute,
    IdentityPermission,
    RepoAction,
)
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.errors import Forbidden

if TYPE_CHECKING:
    from tempest_pds.http.context import Call


class OAuthNeed:
    """Any app that the account's owner has let in may call the method; other needs ask for more."""

    __slots__ = ()

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Raise ScopeMissing or Forbidden, before the body is read, unless an app may make the call."""

    def check_input(self, permissions: ScopeSet, call: Call) -> None:
        """Raise ScopeMissing unless an app may make the call, with the body it has."""

    def __str__(self) -> str:
        """Tell what is needed, for the page that lists the methods."""
        return "any app"


@dataclass(frozen=True, slots=True)
class Refused(OAuthNeed):
    """No app may call the method, whatever it was granted."""

    message: str

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Refuse."""
        raise Forbidden(self.message)

    def __str__(self) -> str:
        return "no app"


@dataclass(frozen=True, slots=True)
class AccountNeed(OAuthNeed):
    """Something of the account is read or managed."""

    attribute: AccountAttribute
    action: AccountAction

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `account:`."""
        permissions.require_account(self.attribute, self.action)

    def __str__(self) -> str:
        return f"`{AccountPermission.needed_for(self.attribute, self.action)}`"


@dataclass(frozen=True, slots=True)
class IdentityNeed(OAuthNeed):
    """The handle is changed, or with `*` the DID document."""

    attribute: IdentityAttribute

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `identity:`."""
        permissions.require_identity(self.attribute)

    def __str__(self) -> str:
        return f"`{IdentityPermission.needed_for(self.attribute)}`"


Write = tuple[str, RepoAction]


@dataclass(frozen=True, slots=True)
class WritesNeed(OAuthNeed):
    """Records are written; each write needs its own collection and action.

    Attributes:
        writes: tells from the body what is written, as pairs of collection and action.
        action: what the page that lists the methods says of it.
    """

    writes: Callable[[Any], Iterable[Write]]
    action: str

    def check_input(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `repo:` by each write, first for what is created."""
        for collection, action in sorted(set(self.writes(call.input)), key=_by_action):
            permissions.require_repo(collection, action)

    def __str__(self) -> str:
        return f"`repo:COLLECTION{self.action}`"


@dataclass(frozen=True, slots=True)
class BlobNeed(OAuthNeed):
    """A blob is uploaded; what its sender says it is counts, not what it is found to be."""

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `blob:`."""
        if call.content_type is None:
            raise XrpcError(400, "InvalidRequest", "Request encoding (Content-Type) required but not provided")
        permissions.require_blob(call.content_type)

    def __str__(self) -> str:
        return "`blob:TYPE`"


@dataclass(frozen=True, slots=True)
class ServiceNeed(OAuthNeed):
    """The call is for another service, or is answered in its place: `atproto-proxy` or the operator names it."""

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `rpc:` of the method and the service."""
        permissions.require_rpc(call.nsid, call.views.audience(call))

    def __str__(self) -> str:
        return "`rpc:METHOD?aud=SERVICE`"


@dataclass(frozen=True, slots=True)
class PassedOnNeed(OAuthNeed):
    """The call is passed on; `services.proxy` asks for `rpc:` once it has found where to."""

    def __str__(self) -> str:
        return "`rpc:METHOD?aud=SERVICE`"


@dataclass(frozen=True, slots=True)
class ServiceTokenNeed(OAuthNeed):
    """A token for another service is signed; without a method it is good for all of them."""

    def check(self, permissions: ScopeSet, call: Call) -> None:
        """Ask for `rpc:` of the method and the service that the token is to be for."""
        permissions.require_rpc(call.params.get("lxm", "*"), call.params["aud"])

    def __str__(self) -> str:
        return "`rpc:LXM?aud=AUD`"


def _by_action(write: Write) -> tuple[int, str]:
    return REPO_ACTIONS.index(write[1]), write[0]


def _one(*actions: RepoAction) -> Callable[[Any], Iterable[Write]]:
    return lambda given: ((given["collection"], action) for action in actions)


def _batch(given: Any) -> Iterable[Write]:
    # What is neither of these the lexicon has refused.
    return ((write["collection"], write["$type"].rpartition("#")[2]) for write in given["writes"])


ANY_APP: Final = OAuthNeed()
NO_APP: Final = Refused("OAuth credentials are not supported for this endpoint")
NO_APP_CHANGES_EMAIL: Final = Refused(
    "Use the account manager interface to update email address associated with an account"
)
MANAGES_EMAIL: Final = AccountNeed("email", "manage")
MANAGES_REPO: Final = AccountNeed("repo", "manage")
CHANGES_HANDLE: Final = IdentityNeed("handle")
CHANGES_IDENTITY: Final = IdentityNeed("*")
CREATES: Final = WritesNeed(_one("create"), "?action=create")
# Which of the two it is to be is not known before it is done.
PUTS: Final = WritesNeed(_one("create", "update"), "?action=create&action=update")
DELETES: Final = WritesNeed(_one("delete"), "?action=delete")
WRITES: Final = WritesNeed(_batch, "?action=ACTION")
UPLOADS: Final = BlobNeed()
ASKS_SERVICE: Final = ServiceNeed()
PASSED_ON: Final = PassedOnNeed()
SERVICE_TOKEN: Final = ServiceTokenNeed()
