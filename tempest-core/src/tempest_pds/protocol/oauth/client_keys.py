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
_NIST: Final = frozenset({"ES256", "ES384", "ES512"})
_EC: Final = {"P-256": _NIST, "P-384": _NIST, "P-521": _NIST, "secp256k1": frozenset({"ES256K"})}
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
    match key.get("kty"), key.get("crv"):
        case "RSA", _:
            members: tuple[str, ...] = ("n", "e")
            algorithms = _RSA
        case "EC", str(curve) if curve in _EC:
            members, algorithms = ("x", "y"), _EC[curve]
        case "OKP", "Ed25519" | "Ed448":
            members, algorithms = ("x",), frozenset({"EdDSA"})
        case _:
            return False
    algorithm = key.get("alg")
    is_consistent = "alg" not in key or (isinstance(algorithm, str) and algorithm in algorithms)
    return is_consistent and all(_is_text(key.get(name)) for name in members)


def _has_public_use(key: PublicJwk) -> bool:
    use, operations = key.get("use"), key.get("key_ops")
    if "use" in key and not (isinstance(use, str) and use in _PUBLIC_USES):
        return False
    if "key_ops" not in key:
        return True
    if not isinstance(operations, list) or not operations or not all(isinstance(one, str) for one in operations):
        return False
    allowed = _PUBLIC_USES[use] if isinstance(use, str) else _PUBLIC_OPERATIONS
    return len(set(operations)) == len(operations) and allowed.issuperset(operations)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
