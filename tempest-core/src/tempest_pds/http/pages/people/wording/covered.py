"""What of a set of scopes would be granted even when it is unticked, as other values of the set stand for it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tempest_pds.protocol.oauth.permissions import (
    ANY,
    AccountPermission,
    BlobPermission,
    IdentityPermission,
    IncludeScope,
    RepoPermission,
    RpcPermission,
)
from tempest_pds.protocol.oauth.scope_set import Meaning, Scope, ScopeSet, StaticScope


def is_covered(alike: Sequence[Scope], meant: Mapping[str, Sequence[Scope]]) -> bool:
    """Tell whether refusing these values would change nothing.

    Args:
        alike: values of one entry.
        meant: what each value of the set stands for, by its normal form.
    """
    mine = {scope.normal for scope in alike}
    if StaticScope.ATPROTO in mine or any(isinstance(scope.meaning, IncludeScope) for scope in alike):
        return False
    others = ScopeSet(scope for normal, scopes in meant.items() if normal not in mine for scope in scopes)
    return all(_allows_all(others, scope.meaning) for scope in alike)


def _allows_all(others: ScopeSet, meaning: Meaning) -> bool:
    match meaning:
        case RepoPermission(collections=collections, actions=actions):
            return all(others.allows_repo(collection, action) for collection in collections for action in actions)
        case RpcPermission(methods=methods, audience=audience):
            # `*` of the bundle leaves chat out, so it covers no `*` of a permission.
            return all(method != ANY and others.allows_rpc(method, audience) for method in methods)
        case BlobPermission(accept=accept):
            return all("*" not in mime and others.allows_blob(mime) for mime in accept)
        case AccountPermission(attribute=attribute, actions=actions):
            return all(others.allows_account(attribute, action) for action in actions)
        case IdentityPermission(attribute=attribute):
            return others.allows_identity(attribute)
        case StaticScope.TRANSITION_EMAIL:
            return others.allows_account("email", "read")
    return False
