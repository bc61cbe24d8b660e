"""The permissions that a scope grants, one class a resource, and `include:`, which stands for a set of them.

https://atproto.com/specs/permission. Each is frozen and in normal form from its making: equal permissions are equal
values, and `parse(str(permission)) == permission`. What is not exactly one of them is InvalidScope, never a guess.

Traps:

* A collection or a method is a whole NSID or `*`; there is no `app.bsky.*`.
* An audience is `*` or a service of a DID, `did:web:api.example.com#svc`. A bare DID is refused in a scope, and a scope
  with a fragment does not match a request without: the two are compared as text.
* `rpc:*?aud=*` is refused: it would let an app speak for the account to anybody, about anything.
* Without `action`, `repo` means all three actions, but `account` only reading.
* `account` with `manage` reads as well, whatever else it says.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self, TypeVar, get_args

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_plc import is_did_plc
from tempest_pds.protocol.identity.did_web import did_web_host
from tempest_pds.protocol.oauth.errors import InvalidScope
from tempest_pds.protocol.oauth.scope_syntax import ScopeShape, Values
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid

RepoAction = Literal["create", "update", "delete"]
AccountAttribute = Literal["email", "repo", "status"]
AccountAction = Literal["read", "manage"]
IdentityAttribute = Literal["handle", "*"]

ANY: Final = "*"
REPO_ACTIONS: Final[tuple[RepoAction, ...]] = get_args(RepoAction)
ACCOUNT_ATTRIBUTES: Final[tuple[AccountAttribute, ...]] = get_args(AccountAttribute)
ACCOUNT_ACTIONS: Final[tuple[AccountAction, ...]] = get_args(AccountAction)
IDENTITY_ATTRIBUTES: Final[tuple[IdentityAttribute, ...]] = get_args(IdentityAttribute)

_ANY_MIME: Final = "*/*"
_MIME: Final = re.compile(r"[^/ ]+/[^/ ]+")
_FRAGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+")

_Word = TypeVar("_Word", bound=str)


class ScopeValue(ABC):
    """A scope value that has been understood."""

    SHAPE: ClassVar[ScopeShape]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a scope value of this prefix; raise InvalidScope."""
        return cls._of(cls.SHAPE.read(text))

    @classmethod
    def of_lexicon(cls, permission: Mapping[str, object]) -> Self:
        """Read a permission of a permission set of this resource; raise InvalidScope."""
        return cls._of(cls.SHAPE.read_lexicon(permission))

    @classmethod
    @abstractmethod
    def _of(cls, values: Values) -> Self: ...

    @abstractmethod
    def format(self) -> str:
        """Write the scope value in its normal form."""

    def __str__(self) -> str:
        return self.format()


@dataclass(frozen=True)
class RepoPermission(ScopeValue):
    """Writing records: `repo:app.bsky.feed.post?action=create`."""

    SHAPE = ScopeShape("repo", "collection", ("collection", "action"), frozenset({"collection", "action"}))

    collections: tuple[str, ...]
    actions: tuple[RepoAction, ...] = REPO_ACTIONS

    def __post_init__(self) -> None:
        _normalise(self, "collections", _nsids_or_any(self.collections))
        given = _words(self.actions, REPO_ACTIONS)
        _normalise(self, "actions", tuple(action for action in REPO_ACTIONS if action in given))

    @classmethod
    def _of(cls, values: Values) -> Self:
        return cls(_required(values, "collection"), _words(values.get("action", REPO_ACTIONS), REPO_ACTIONS))

    def format(self) -> str:
        """Write the scope value in its normal form."""
        values: Values = {"collection": self.collections}
        if self.actions != REPO_ACTIONS:
            values["action"] = self.actions
        return self.SHAPE.write(values)

    def matches(self, collection: str, action: RepoAction) -> bool:
        """Tell whether one write is permitted."""
        return action in self.actions and (ANY in self.collections or collection in self.collections)

    @classmethod
    def needed_for(cls, collection: str, action: RepoAction) -> str:
        """Return the scope that would permit one write."""
        return cls.SHAPE.write({"collection": (collection,), "action": (action,)})


@dataclass(frozen=True)
class RpcPermission(ScopeValue):
    """Asking another service in the account's name: `rpc:com.example.getTimeline?aud=did:web:api.example.com%23svc`."""

    SHAPE = ScopeShape("rpc", "lxm", ("lxm", "aud"), frozenset({"lxm"}))

    methods: tuple[str, ...]
    audience: str

    def __post_init__(self) -> None:
        _normalise(self, "methods", _nsids_or_any(self.methods))
        if self.audience != ANY and not is_service_reference(self.audience):
            raise InvalidScope(f"not a service of a DID: {self.audience[:80]!r}")
        if self.audience == ANY and ANY in self.methods:
            raise InvalidScope("rpc:*?aud=* is not allowed: it would name neither a method nor a service")

    @classmethod
    def _of(cls, values: Values) -> Self:
        return cls(_required(values, "lxm"), _required(values, "aud")[0])

    def format(self) -> str:
        """Write the scope value in its normal form."""
        return self.SHAPE.write({"lxm": self.methods, "aud": (self.audience,)})

    def matches(self, lxm: str, aud: str) -> bool:
        """Tell whether one method of one service is permitted; `lxm` is `*` where a token for any method is wanted."""
        return self.audience in (ANY, aud) and (ANY in self.methods or lxm in self.methods)

    @classmethod
    def needed_for(cls, lxm: str, aud: str) -> str:
        """Return the scope that would permit one method of one service."""
        return cls.SHAPE.write({"lxm": (lxm,), "aud": (aud,)})


@dataclass(frozen=True)
class BlobPermission(ScopeValue):
    """Uploading media: `blob:image/*`, `blob?accept=image/png&accept=video/*`.

    Types are compared in lower case. The reference writes a scope in lower case but compares it as it was sent.
    """

    SHAPE = ScopeShape("blob", "accept", ("accept",), frozenset({"accept"}))

    accept: tuple[str, ...]

    def __post_init__(self) -> None:
        for pattern in self.accept:
            if pattern != _ANY_MIME and not _is_mime_pattern(pattern):
                raise InvalidScope(f"not a pattern of MIME types: {pattern[:80]!r}")
        _normalise(self, "accept", _without_covered(self.accept))

    @classmethod
    def _of(cls, values: Values) -> Self:
        return cls(_required(values, "accept"))

    def format(self) -> str:
        """Write the scope value in its normal form."""
        return self.SHAPE.write({"accept": self.accept})

    def matches(self, mime: str) -> bool:
        """Tell whether a blob of this MIME type is permitted; what is no MIME type never is."""
        if "*" in mime or _MIME.fullmatch(mime) is None:
            return False
        mime = mime.lower()
        return self.accept == (_ANY_MIME,) or mime in self.accept or _family(mime) in self.accept

    @classmethod
    def needed_for(cls, mime: str) -> str:
        """Return the scope that would permit a blob of this MIME type."""
        return cls.SHAPE.write({"accept": (mime.lower(),)})


@dataclass(frozen=True)
class AccountPermission(ScopeValue):
    """Reading or managing what the host keeps of an account: `account:email`, `account:repo?action=manage`."""

    SHAPE = ScopeShape("account", "attr", ("attr", "action"), frozenset({"action"}))

    attribute: AccountAttribute
    actions: tuple[AccountAction, ...] = ("read",)

    def __post_init__(self) -> None:
        _words((self.attribute,), ACCOUNT_ATTRIBUTES)
        _normalise(self, "actions", _words(self.actions, ACCOUNT_ACTIONS))

    @classmethod
    def _of(cls, values: Values) -> Self:
        attribute = _words(_required(values, "attr"), ACCOUNT_ATTRIBUTES)[0]
        return cls(attribute, _words(values.get("action", ("read",)), ACCOUNT_ACTIONS))

    def format(self) -> str:
        """Write the scope value in its normal form."""
        values: Values = {"attr": (self.attribute,)}
        if self.actions != ("read",):
            values["action"] = self.actions
        return self.SHAPE.write(values)

    def matches(self, attribute: AccountAttribute, action: AccountAction) -> bool:
        """Tell whether this is permitted; who may manage may read."""
        return attribute == self.attribute and ("manage" in self.actions or action in self.actions)

    @classmethod
    def needed_for(cls, attribute: AccountAttribute, action: AccountAction) -> str:
        """Return the scope that would permit this."""
        return cls(attribute, (action,)).format()


@dataclass(frozen=True)
class IdentityPermission(ScopeValue):
    """Changing the handle, `identity:handle`, or all of the identity with its DID document, `identity:*`."""

    SHAPE = ScopeShape("identity", "attr", ("attr",))

    attribute: IdentityAttribute

    def __post_init__(self) -> None:
        _words((self.attribute,), IDENTITY_ATTRIBUTES)

    @classmethod
    def _of(cls, values: Values) -> Self:
        return cls(_words(_required(values, "attr"), IDENTITY_ATTRIBUTES)[0])

    def format(self) -> str:
        """Write the scope value in its normal form."""
        return self.SHAPE.write({"attr": (self.attribute,)})

    def matches(self, attribute: IdentityAttribute) -> bool:
        """Tell whether this is permitted."""
        return self.attribute in (ANY, attribute)

    @classmethod
    def needed_for(cls, attribute: IdentityAttribute) -> str:
        """Return the scope that would permit this."""
        return cls(attribute).format()


@dataclass(frozen=True)
class IncludeScope(ScopeValue):
    """A permission set by its NSID: `include:com.example.authBasic?aud=did:web:api.example.com%23svc`.

    It permits nothing by itself: `permission_set` says what it stands for. `audience` is for those permissions of the
    set that leave theirs to whoever asks.
    """

    SHAPE = ScopeShape("include", "nsid", ("nsid", "aud"))

    nsid: str
    audience: str | None = None

    def __post_init__(self) -> None:
        if not Nsid.is_valid(self.nsid):
            raise InvalidScope(f"not an NSID: {self.nsid[:80]!r}")
        if self.audience is not None and not is_service_reference(self.audience):
            raise InvalidScope(f"not a service of a DID: {self.audience[:80]!r}")

    @classmethod
    def _of(cls, values: Values) -> Self:
        return cls(_required(values, "nsid")[0], values["aud"][0] if "aud" in values else None)

    def format(self) -> str:
        """Write the scope value in its normal form."""
        values: Values = {"nsid": (self.nsid,)}
        if self.audience is not None:
            values["aud"] = (self.audience,)
        return self.SHAPE.write(values)

    def has_authority_over(self, nsid: str) -> bool:
        """Tell whether an NSID lies in the group of the set's own, or in one below it; `*` does not."""
        return nsid.startswith(self.nsid[: self.nsid.rindex(".") + 1])


Permission = RepoPermission | RpcPermission | BlobPermission | AccountPermission | IdentityPermission


def is_service_reference(text: str) -> bool:
    """Tell whether `text` names a service of a DID of the network: did:plc, or did:web of a hostname, with `#service`.

    A did:web has a port only on localhost, and neither path nor encoded letters.
    """
    did, _, fragment = text.partition("#")
    if _FRAGMENT.fullmatch(fragment) is None:
        return False
    if is_did_plc(did):
        return True
    try:
        _, port = did_web_host(Did.parse(did))
    except InvalidSyntax:
        return False
    return port is None or did.startswith("did:web:localhost%3A")


def _normalise(value: ScopeValue, name: str, normal: tuple[str, ...]) -> None:
    object.__setattr__(value, name, normal)


def _required(values: Values, name: str) -> tuple[str, ...]:
    if name not in values:
        raise InvalidScope(f"a scope lacks its {name}")
    return values[name]


def _words(given: tuple[str, ...], known: tuple[_Word, ...]) -> tuple[_Word, ...]:
    """Return the given words without repetition, in their order; raise InvalidScope for an unknown one, or none."""
    by_text: dict[str, _Word] = {word: word for word in known}
    if not given or not all(word in by_text for word in given):
        raise InvalidScope(f"expected some of {', '.join(known)}, not {', '.join(given)[:80]!r}")
    return tuple(by_text[word] for word in dict.fromkeys(given))


def _nsids_or_any(given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        if text != ANY and not Nsid.is_valid(text):
            raise InvalidScope(f"neither an NSID nor *: {text[:80]!r}")
    if not given:
        raise InvalidScope("a scope names no NSID")
    return (ANY,) if ANY in given else tuple(sorted(set(given)))


def _is_mime_pattern(text: str) -> bool:
    return _MIME.fullmatch(text) is not None and ("*" not in text or text.endswith("/*"))


def _without_covered(accept: tuple[str, ...]) -> tuple[str, ...]:
    if not accept:
        raise InvalidScope("a scope accepts no MIME type")
    if _ANY_MIME in accept:
        return (_ANY_MIME,)
    patterns = {pattern.lower() for pattern in accept}
    return tuple(sorted(pattern for pattern in patterns if pattern.endswith("/*") or _family(pattern) not in patterns))


def _family(mime: str) -> str:
    return mime.partition("/")[0] + "/*"
