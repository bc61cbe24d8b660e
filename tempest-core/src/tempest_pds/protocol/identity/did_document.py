"""DID documents: what a DID says of its account's handle, signing key and servers.

https://atproto.com/specs/did#did-documents. Documents come from strangers, and hold what other systems put there. So
reading is lenient: only the `id` must be right, an entry that makes no sense is passed over, and of several that match
the first one counts. But a document must not be nested so deeply that nobody could write it out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tempest_pds.protocol.crypto.did_key import parse_did_key, parse_legacy_key, parse_multikey
from tempest_pds.protocol.crypto.keys import Curve, PublicKey
from tempest_pds.protocol.data_model.value import MAX_DEPTH
from tempest_pds.protocol.errors import InvalidSyntax, ProtocolError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle

SIGNING_KEY_ID: Final = "atproto"
PDS_SERVICE_ID: Final = "atproto_pds"
PDS_SERVICE_TYPE: Final = "AtprotoPersonalDataServer"

_CONTEXT: Final = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")
_CURVE_CONTEXTS: Final[dict[Curve, str]] = {
    "k256": "https://w3id.org/security/suites/secp256k1-2019/v1",
    "p256": "https://w3id.org/security/suites/ecdsa-2019/v1",
}
_LEGACY_KEY_TYPES: Final[dict[str, Curve]] = {
    "EcdsaSecp256k1VerificationKey2019": "k256",
    "EcdsaSecp256r1VerificationKey2019": "p256",
}


@dataclass(frozen=True, slots=True)
class DidDocument:
    """A document that is that of `did`; `json` holds all of it, as it came."""

    did: Did
    json: Mapping[str, Any]

    @classmethod
    def parse(cls, json: object) -> Self:
        """Take parsed JSON as a document; raise InvalidSyntax."""
        if not isinstance(json, dict) or not isinstance(json.get("id"), str):
            raise InvalidSyntax("not a DID document")
        if _is_too_deep(json):
            raise InvalidSyntax("a DID document is nested too deeply")
        return cls(Did.parse(json["id"]), json)

    @property
    def also_known_as(self) -> tuple[str, ...]:
        """The other names of the account, `at://` and the handle among them."""
        names = self.json.get("alsoKnownAs")
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()

    @property
    def handle(self) -> Handle | None:
        """The handle it claims: the first of its `at://` names. It is proved when the handle names the DID too."""
        for name in self.also_known_as:
            if name.startswith("at://"):
                try:
                    return Handle.parse(name.removeprefix("at://"))
                except InvalidSyntax:
                    return None
        return None

    @property
    def signing_key(self) -> str | None:
        """The did:key that the repository and tokens are signed with; None when there is none of use."""
        return self.verification_key(SIGNING_KEY_ID)

    def verification_key(self, key_id: str) -> str | None:
        """Return the did:key of the verification method `#key_id`."""
        method = next(self._entries("verificationMethod", key_id), None)
        if method is None or not isinstance(method.get("publicKeyMultibase"), str):
            return None
        try:
            return _read_key(method.get("type"), method["publicKeyMultibase"]).did_key
        except ProtocolError:
            return None

    @property
    def pds_endpoint(self) -> str | None:
        """The URL of the account's PDS."""
        return self.service(PDS_SERVICE_ID, PDS_SERVICE_TYPE)

    def service(self, service_id: str, service_type: str | None = None) -> str | None:
        """Return the URL of the service `#service_id`, which must be of `service_type` if one is given.

        The URL is of http or https and names a host. Whether it may be asked for is for whoever asks.
        """
        entry = next(self._entries("service", service_id.removeprefix("#")), None)
        if entry is None or (service_type is not None and entry.get("type") != service_type):
            return None
        endpoint = entry.get("serviceEndpoint")
        return endpoint if isinstance(endpoint, str) and _is_http_url(endpoint) else None

    def _entries(self, field: str, fragment: str) -> Iterator[Mapping[str, Any]]:
        entries = self.json.get(field)
        if isinstance(entries, list):
            names = (f"#{fragment}", f"{self.did}#{fragment}")
            for entry in entries:
                if isinstance(entry, dict) and entry.get("id") in names:
                    yield entry


def build_did_document(did: Did, handle: Handle | str, signing_did_key: str, pds_url: str) -> dict[str, Any]:
    """Return the document of an account on one PDS, as for a did:web account that the PDS hosts."""
    return format_did_document(
        did, [f"at://{handle}"], {SIGNING_KEY_ID: signing_did_key}, {PDS_SERVICE_ID: (PDS_SERVICE_TYPE, pds_url)}
    )


def format_did_document(
    did: Did,
    also_known_as: list[str],
    verification_methods: Mapping[str, str],
    services: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """Return a document in the form that the PLC directory gives.

    `verification_methods` has did:keys by id, `services` pairs of type and endpoint by id. Raises InvalidSyntax when a
    key is not a did:key in base58btc; one of a curve unknown here is passed on as it is.
    """
    context = list(_CONTEXT)
    methods = []
    for key_id, did_key in verification_methods.items():
        if not did_key.startswith("did:key:z"):
            raise InvalidSyntax(f"not a did:key: {did_key[:80]!r}")
        try:
            curve_context = _CURVE_CONTEXTS[parse_did_key(did_key).curve]
        except InvalidSyntax:
            pass
        else:
            if curve_context not in context:
                context.append(curve_context)
        methods.append(
            {
                "id": f"{did}#{key_id}",
                "type": "Multikey",
                "controller": str(did),
                "publicKeyMultibase": did_key.removeprefix("did:key:"),
            }
        )
    return {
        "@context": context,
        "id": str(did),
        "alsoKnownAs": list(also_known_as),
        "verificationMethod": methods,
        "service": [
            {"id": f"#{service_id}", "type": service_type, "serviceEndpoint": endpoint}
            for service_id, (service_type, endpoint) in services.items()
        ],
    }


def _read_key(method_type: object, multibase: str) -> PublicKey:
    curve = _LEGACY_KEY_TYPES.get(method_type) if isinstance(method_type, str) else None
    if curve is not None:
        return parse_legacy_key(multibase, curve)
    if method_type != "Multikey":
        raise InvalidSyntax("not a kind of key that is known")
    return parse_multikey(multibase)


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False


def _is_too_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner = [item for value in level for item in (value.values() if isinstance(value, dict) else value)]
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return False
    return True
