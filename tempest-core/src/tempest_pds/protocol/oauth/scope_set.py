"""What a client may do: the scope values of a request, a grant or a token, and the questions that methods ask of them.

https://atproto.com/specs/oauth#authorization-scopes. A set is made of the `scope` parameter, a list with single spaces.
`atproto` must be in it. Values that are not understood are dropped, not refused, so that a client may ask for what
newer hosts know; it learns from the `scope` of the token reply what it has. Values keep the spelling of the client,
which looks for them in that reply as it wrote them, but are compared by their normal form.

The `transition:` scopes are the bundles of the time before permissions:

| scope | permits |
|---|---|
| `transition:generic` | every record, every blob, every method (also `lxm=*`) but those of `chat.bsky.` |
| `transition:chat.bsky` | the methods of `chat.bsky.`, whatever the service |
| `transition:email` | reading the e-mail address |

None of them permits anything else of the account or the identity. An `include:` permits nothing before `expanded`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, Self, TypeVar

from tempest_pds.protocol.oauth.errors import InvalidScope, ScopeMissing
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.permissions import (
    AccountAction,
    AccountAttribute,
    AccountPermission,
    BlobPermission,
    IdentityAttribute,
    IdentityPermission,
    IncludeScope,
    Permission,
    RepoAction,
    RepoPermission,
    RpcPermission,
)
from tempest_pds.protocol.oauth.scope_syntax import is_scope_text

_CHAT: Final = "chat.bsky."

_Kind = TypeVar("_Kind")


class StaticScope(StrEnum):
    """The scope values that have no parameters."""

    ATPROTO = "atproto"
    TRANSITION_EMAIL = "transition:email"
    TRANSITION_GENERIC = "transition:generic"
    TRANSITION_CHAT = "transition:chat.bsky"


_STATIC: Final = {scope.value: scope for scope in StaticScope}

Meaning = StaticScope | Permission | IncludeScope

_BY_PREFIX: Final = {
    kind.SHAPE.prefix: kind
    for kind in (RepoPermission, RpcPermission, BlobPermission, AccountPermission, IdentityPermission, IncludeScope)
}


@dataclass(frozen=True)
class Scope:
    """One scope value: as the client spelled it, and what it means."""

    spelling: str
    meaning: Meaning

    @classmethod
    def parse(cls, spelling: str) -> Self:
        """Understand one scope value; raise InvalidScope."""
        if spelling in _STATIC:
            return cls(spelling, _STATIC[spelling])
        kind = _BY_PREFIX.get(re.split("[:?]", spelling, maxsplit=1)[0])
        if kind is None:
            raise InvalidScope(f"not a scope: {spelling[:80]!r}")
        return cls(spelling, kind.parse(spelling))

    @cached_property
    def normal(self) -> str:
        """The normal form, the same for all spellings of one meaning."""
        return str(self.meaning)


class ScopeSet:
    """A set of scope values with `atproto` among them, unchangeable; equal to another that means the same.

    It is iterated in the client's order, and `a <= b` tells that every value of `a` is in `b`.
    """

    __slots__ = ("_by_normal", "unknown")

    def __init__(self, scopes: Iterable[Scope], unknown: Iterable[str] = ()) -> None:
        """Take scope values, of which one spelling each is kept, and those that were dropped; raise InvalidScope."""
        by_normal: dict[str, Scope] = {}
        for scope in scopes:
            by_normal.setdefault(scope.normal, scope)
        if StaticScope.ATPROTO not in by_normal:
            raise InvalidScope('The "atproto" scope is required')
        self._by_normal: Final = by_normal
        self.unknown: Final = tuple(unknown)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a `scope` parameter; raise InvalidScope when it is no such list, lacks `atproto` or asks for OpenID."""
        if not is_scope_text(text):
            raise InvalidScope("Invalid OAuth scope")
        known, unknown = [], []
        for spelling in dict.fromkeys(text.split(" ")):
            try:
                known.append(Scope.parse(spelling))
            except InvalidScope:
                unknown.append(spelling)
        scopes = cls(known, unknown)
        if "openid" in unknown:
            raise InvalidScope("OpenID Connect is not compatible with atproto")
        return scopes

    def __iter__(self) -> Iterator[Scope]:
        return iter(self._by_normal.values())

    def __len__(self) -> int:
        return len(self._by_normal)

    def __contains__(self, spelling: object) -> bool:
        return isinstance(spelling, str) and _normal(spelling) in self._by_normal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScopeSet) and self._by_normal.keys() == other._by_normal.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self._by_normal))

    def __le__(self, other: ScopeSet) -> bool:
        return self._by_normal.keys() <= other._by_normal.keys()

    def __str__(self) -> str:
        """The `scope` of a token reply: what was understood, as the client spelled it."""
        return " ".join(scope.spelling for scope in self)

    def __repr__(self) -> str:
        return f"ScopeSet({str(self)!r})"

    @property
    def normal(self) -> str:
        """The normal forms in alphabetical order, the same for all spellings of one meaning."""
        return " ".join(sorted(self._by_normal))

    @property
    def includes(self) -> tuple[IncludeScope, ...]:
        """The permission sets that were asked for."""
        return tuple(self._of(IncludeScope))

    def narrowed(self, ticked: Iterable[str]) -> ScopeSet:
        """Return the values that a person ticked, in either spelling; what was not asked for is not added.

        `atproto` stays: without it there is nothing to grant, which is what the button to refuse is for.
        """
        wanted = {StaticScope.ATPROTO, *map(_normal, ticked)}
        return ScopeSet(scope for normal, scope in self._by_normal.items() if normal in wanted)

    def expanded(self, permission_sets: Mapping[str, PermissionSet]) -> ScopeSet:
        """Return the set with every `include:` replaced by what it stands for; raise InvalidScope for an absent one."""
        granted: list[Permission] = []
        for include in self.includes:
            if include.nsid not in permission_sets:
                raise InvalidScope(f"the permission set {include.nsid} is not at hand")
            granted += permission_sets[include.nsid].granted_by(include)
        others = (scope for scope in self if not isinstance(scope.meaning, IncludeScope))
        return ScopeSet([*(Scope(str(permission), permission) for permission in granted), *others])

    def allows_repo(self, collection: str, action: RepoAction) -> bool:
        """Tell whether the client may make this kind of write to a collection."""
        if StaticScope.TRANSITION_GENERIC in self._by_normal:
            return True
        return any(permission.matches(collection, action) for permission in self._of(RepoPermission))

    def allows_rpc(self, lxm: str, aud: str) -> bool:
        """Tell whether the client may call a method, or any with `*`, of a service, `did#service`, for the account."""
        # Servers may route the methods whose names differ in their case alone to the same place.
        chat = lxm.lower().startswith(_CHAT)
        if (StaticScope.TRANSITION_CHAT if chat else StaticScope.TRANSITION_GENERIC) in self._by_normal:
            return True
        return any(permission.matches(lxm, aud) for permission in self._of(RpcPermission))

    def allows_blob(self, mime: str) -> bool:
        """Tell whether the client may upload a blob that it says is of this MIME type."""
        if StaticScope.TRANSITION_GENERIC in self._by_normal:
            return True
        return any(permission.matches(mime) for permission in self._of(BlobPermission))

    def allows_account(self, attribute: AccountAttribute, action: AccountAction) -> bool:
        """Tell whether the client may read or manage something of the account."""
        if (attribute, action) == ("email", "read") and StaticScope.TRANSITION_EMAIL in self._by_normal:
            return True
        return any(permission.matches(attribute, action) for permission in self._of(AccountPermission))

    def allows_identity(self, attribute: IdentityAttribute) -> bool:
        """Tell whether the client may change the handle, or with `*` all of the identity."""
        return any(permission.matches(attribute) for permission in self._of(IdentityPermission))

    def require_repo(self, collection: str, action: RepoAction) -> None:
        """Raise ScopeMissing unless `allows_repo`."""
        if not self.allows_repo(collection, action):
            raise ScopeMissing(RepoPermission.needed_for(collection, action))

    def require_rpc(self, lxm: str, aud: str) -> None:
        """Raise ScopeMissing unless `allows_rpc`."""
        if not self.allows_rpc(lxm, aud):
            raise ScopeMissing(RpcPermission.needed_for(lxm, aud))

    def require_blob(self, mime: str) -> None:
        """Raise ScopeMissing unless `allows_blob`."""
        if not self.allows_blob(mime):
            raise ScopeMissing(BlobPermission.needed_for(mime))

    def require_account(self, attribute: AccountAttribute, action: AccountAction) -> None:
        """Raise ScopeMissing unless `allows_account`."""
        if not self.allows_account(attribute, action):
            raise ScopeMissing(AccountPermission.needed_for(attribute, action))

    def require_identity(self, attribute: IdentityAttribute) -> None:
        """Raise ScopeMissing unless `allows_identity`."""
        if not self.allows_identity(attribute):
            raise ScopeMissing(IdentityPermission.needed_for(attribute))

    def _of(self, kind: type[_Kind]) -> Iterator[_Kind]:
        return (scope.meaning for scope in self if isinstance(scope.meaning, kind))


def _normal(spelling: str) -> str | None:
    try:
        return Scope.parse(spelling).normal
    except InvalidScope:
        return None
