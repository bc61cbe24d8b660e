"""Permission sets: Lexicon documents that say once, for many apps, what belongs together.

https://atproto.com/specs/permission. A scope `include:com.example.authBasic?aud=…` stands for the permissions of the
document `com.example.authBasic`. Who publishes that document could be anybody, so it can say less than a scope can:

* only `repo` and `rpc`, only for NSIDs in the group of the set's own NSID (`com.example.*`, however deep), never `*`;
* an `rpc` names no service but `*`; with `inheritAud` and no `aud` it takes the one of the `include:` scope.

A permission that goes beyond, or that is not understood, falls away; the others of the document stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tempest_pds.protocol.oauth.errors import InvalidPermissionSet, InvalidScope
from tempest_pds.protocol.oauth.permissions import ANY, IncludeScope, RepoPermission, RpcPermission
from tempest_pds.protocol.syntax.nsid import Nsid


@dataclass(frozen=True)
class PermissionSet:
    """A permission set, with its texts for the person who is asked; the languages are as the document spells them."""

    nsid: str
    permissions: tuple[Mapping[str, object], ...]
    title: str | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    detail: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, nsid: str, document: object) -> Self:
        """Read the Lexicon document that was found under an NSID; raise InvalidPermissionSet."""
        match document:
            case {"lexicon": 1, "id": str(named), "defs": {"main": {"type": "permission-set", **main}}}:
                pass
            case _:
                raise InvalidPermissionSet(f"{nsid[:80]}: not a permission set")
        if named != nsid or not Nsid.is_valid(nsid):
            raise InvalidPermissionSet(f"{nsid[:80]}: the document calls itself {named[:80]!r}")
        permissions = main.get("permissions")
        if not isinstance(permissions, list) or not all(_is_permission(item) for item in permissions):
            raise InvalidPermissionSet(f"{nsid}: its permissions are not a list of permissions")
        return cls(
            nsid,
            tuple(permissions),
            _text(nsid, main, "title"),
            _texts(nsid, main, "title:lang"),
            _text(nsid, main, "detail"),
            _texts(nsid, main, "detail:lang"),
        )

    @property
    def document(self) -> dict[str, object]:
        """The Lexicon document that `parse` reads this from, without what it has no use for."""
        texts = {"title": self.title, "title:lang": self.titles, "detail": self.detail, "detail:lang": self.details}
        main = {"type": "permission-set", **{name: text for name, text in texts.items() if text}}
        return {"lexicon": 1, "id": self.nsid, "defs": {"main": {**main, "permissions": list(self.permissions)}}}

    def granted_by(self, include: IncludeScope) -> tuple[RepoPermission | RpcPermission, ...]:
        """Return the permissions that a scope stands for, in the order of the document; it may be none at all."""
        found = (_granted(include, permission) for permission in self.permissions)
        return tuple(permission for permission in found if permission is not None)


def _granted(include: IncludeScope, written: Mapping[str, object]) -> RepoPermission | RpcPermission | None:
    try:
        if written.get("resource") == "repo":
            repo = RepoPermission.of_lexicon(written)
            return repo if all(map(include.has_authority_over, repo.collections)) else None
        if written.get("resource") == "rpc":
            rpc = RpcPermission.of_lexicon(_with_audience(include, written))
            return rpc if all(map(include.has_authority_over, rpc.methods)) else None
    except InvalidScope:
        return None
    return None


def _with_audience(include: IncludeScope, written: Mapping[str, object]) -> Mapping[str, object]:
    if "aud" in written:
        if written["aud"] != ANY:
            raise InvalidScope("a permission set names no service")
        return written
    # Without an audience to inherit, `inheritAud` stays, which is no parameter of a scope: the permission falls away.
    if written.get("inheritAud") is not True or include.audience is None:
        return written
    return {**{name: value for name, value in written.items() if name != "inheritAud"}, "aud": include.audience}


def _is_permission(item: object) -> bool:
    match item:
        case {"type": "permission", "resource": str(resource), **others}:
            return resource != "" and all(map(_is_param, others.values()))
    return False


def _is_param(value: object) -> bool:
    if isinstance(value, list):
        return any(all(type(item) is kind for item in value) for kind in (str, int, bool))
    return type(value) in (str, int, bool)


def _text(nsid: str, main: Mapping[Any, object], name: str) -> str | None:
    text = main.get(name)
    if text is not None and not isinstance(text, str):
        raise InvalidPermissionSet(f"{nsid}: its {name} is not a text")
    return text


def _texts(nsid: str, main: Mapping[Any, object], name: str) -> Mapping[str, str]:
    texts = main.get(name, {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise InvalidPermissionSet(f"{nsid}: its {name} is not a table of texts by language")
    return dict(texts)
