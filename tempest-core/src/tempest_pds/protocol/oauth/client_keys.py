"""The public keys of a confidential client, from the `jwks` of its document or the document at its `jwks_uri`.

A set may hold keys for other purposes and of kinds that no one here knows: RFC 7517 section 5 has them passed over
rather than refused, so one strange key locks no client out. A key without `kid` is passed over as well, since a
session is bound to the `kid` that signed for it.

https://www.rfc-editor.org/rfc/rfc7517, https://atproto.com/specs/oauth#confidential-client-authentication
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tempest_pds.protocol.oauth.errors import InvalidClientMetadata

PublicJwk = Mapping[str, object]

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "P-256": frozenset({"ES256", "ES384", "ES512"}),
    "P-384": frozenset({"ES256", "ES384", "ES512"}),
    "P-521": frozenset({"ES256", "ES384", "ES512"}),
    "secp256k1": frozenset({"ES256K"}),
    "Ed25519": frozenset({"EdDSA"}),
    "Ed448": frozenset({"EdDSA"}),
}
_PUBLIC_USES: Final = {"sig": frozenset({"verify"}), "enc": frozenset({"encrypt", "wrapKey"})}
_PUBLIC_OPERATIONS: Final = frozenset({"verify", "encrypt", "wrapKey"})


def client_keys(document: object) -> tuple[PublicJwk, ...]:
    """Return the usable public keys of a JWK set; raise InvalidClientMetadata where it is no set at all."""
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise InvalidClientMetadata('jwks must be an object with a list of "keys"')
    return tuple(MappingProxyType(dict(key)) for key in keys if isinstance(key, Mapping) and _is_usable(key))


def _is_usable(key: PublicJwk) -> bool:
    return _is_text(key.get("kid")) and "d" not in key and _is_known(key) and _has_public_use(key)


def _is_known(key: PublicJwk) -> bool:
    kind, curve, algorithm = key.get("kty"), key.get("crv"), key.get("alg")
    if kind == "RSA":
        members, algorithms = ("n", "e"), _RSA
    elif kind in {"EC", "OKP"} and isinstance(curve, str) and curve in _ALGORITHMS:
        if curve.startswith("Ed") != (kind == "OKP"):
            return False
        members, algorithms = ("x",) if kind == "OKP" else ("x", "y"), _ALGORITHMS[curve]  # type: ignore[assignment]
    else:
        return False
    return ("alg" not in key or algorithm in algorithms) and all(_is_text(key.get(name)) for name in members)


def _has_public_use(key: PublicJwk) -> bool:
    use, operations = key.get("use"), key.get("key_ops")
    if "use" in key and use not in _PUBLIC_USES:
        return False
    if "key_ops" not in key:
        return True
    if not isinstance(operations, list) or not operations or not all(isinstance(one, str) for one in operations):
        return False
    allowed = _PUBLIC_USES[use] if isinstance(use, str) else _PUBLIC_OPERATIONS
    return len(set(operations)) == len(operations) and allowed.issuperset(operations)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
