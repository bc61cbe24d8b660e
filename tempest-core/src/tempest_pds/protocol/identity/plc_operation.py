"""Operations of did:plc: how an account's DID is made, and its keys, handle and server changed.

An operation is a JSON object with all that the DID says from now on, the CID of the operation before it, and a
signature. It is signed over its DAG-CBOR without `sig`, by one of the `rotationKeys` of the operation before; the
first, the genesis, by one of its own. The hash of the signed genesis is the DID. Rotation keys are in order of power:
for 72 hours a stronger one may undo what a weaker one did, by an operation with an earlier `prev` (see `plc_log`).

Old DIDs start with another form of genesis, `create`, which is read here and never written. Operations stay plain
dicts, because the hash is over all that is in them, also over fields that nobody knows yet.

https://web.plc.directory/spec/v0.1/did-plc
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax, ProtocolError
from tempest_pds.protocol.identity.did_document import (
    PDS_SERVICE_ID,
    PDS_SERVICE_TYPE,
    SIGNING_KEY_ID,
    format_did_document,
)
from tempest_pds.protocol.syntax.did import Did

Operation = dict[str, Any]
"""A signed operation, as JSON has it."""

MAX_OPERATION_SIZE: Final = 7500
"""Bytes of DAG-CBOR; the directory takes no larger operation."""
MAX_ROTATION_KEYS: Final = 5
_DID_LENGTH: Final = 24
_DID_KEY: Final = re.compile(r"did:key:z[1-9A-HJ-NP-Za-km-z]{1,256}")


class InvalidOperation(ProtocolError):
    """An object that is not an operation, or one that may not follow those before it."""


@dataclass(frozen=True, slots=True)
class PlcState:
    """What a DID says after an operation: did:keys by id, and services as pairs of type and endpoint by id."""

    did: Did
    rotation_keys: tuple[str, ...]
    verification_methods: Mapping[str, str]
    also_known_as: tuple[str, ...]
    services: Mapping[str, tuple[str, str]]


def genesis(
    *, handle: str, signing_key: str, pds_url: str, rotation_keys: Sequence[str], signer: PrivateKey
) -> Operation:
    """Make and sign the first operation of a new account; its DID is `did_for_genesis` of it.

    `signing_key` and `rotation_keys` are did:keys; that of `signer` must be among the latter, or InvalidOperation is
    raised.
    """
    if signer.public.did_key not in rotation_keys:
        raise InvalidOperation("a genesis operation must be signed with one of its own rotation keys")
    unsigned = {
        "type": "plc_operation",
        "verificationMethods": {SIGNING_KEY_ID: signing_key},
        "rotationKeys": list(rotation_keys),
        "alsoKnownAs": [f"at://{handle}"],
        "services": {PDS_SERVICE_ID: {"type": PDS_SERVICE_TYPE, "endpoint": pds_url}},
        "prev": None,
    }
    check_operation(signed := sign(unsigned, signer))
    return signed


def update(
    last: Operation,
    signer: PrivateKey,
    *,
    handle: str | None = None,
    signing_key: str | None = None,
    pds_url: str | None = None,
    rotation_keys: Sequence[str] | None = None,
    also_known_as: Sequence[str] | None = None,
    verification_methods: Mapping[str, Any] | None = None,
    services: Mapping[str, Any] | None = None,
) -> Operation:
    """Make and sign the operation that follows `last`; what is not given stays as it is.

    `handle`, `signing_key` and `pds_url` change one entry, the last three replace all of theirs. Raises
    InvalidOperation.
    """
    if is_tombstone(last):
        raise InvalidOperation("the DID has been ended")
    normal = normalize(last)
    names = list(normal["alsoKnownAs"] if also_known_as is None else also_known_as)
    if handle is not None:
        index = next((index for index, name in enumerate(names) if name.startswith("at://")), None)
        if index is None:
            names.insert(0, f"at://{handle}")
        else:
            names[index] = f"at://{handle}"
    methods = dict(normal["verificationMethods"] if verification_methods is None else verification_methods)
    if signing_key is not None:
        methods[SIGNING_KEY_ID] = signing_key
    endpoints = dict(normal["services"] if services is None else services)
    if pds_url is not None:
        endpoints[PDS_SERVICE_ID] = {"type": PDS_SERVICE_TYPE, "endpoint": pds_url}
    unsigned = {
        "type": "plc_operation",
        "verificationMethods": methods,
        "rotationKeys": list(normal["rotationKeys"] if rotation_keys is None else rotation_keys),
        "alsoKnownAs": names,
        "services": endpoints,
        "prev": str(operation_cid(last)),
    }
    check_operation(signed := sign(unsigned, signer))
    return signed


def tombstone(last: Operation, signer: PrivateKey) -> Operation:
    """Make and sign the operation that ends the DID after `last`."""
    if is_tombstone(last):
        raise InvalidOperation("the DID has been ended already")
    return sign({"type": "plc_tombstone", "prev": str(operation_cid(last))}, signer)


def sign(unsigned: Mapping[str, Any], signer: PrivateKey) -> Operation:
    """Return a copy of an operation with the signature of `signer`, in place of any it had."""
    content = {field: value for field, value in unsigned.items() if field != "sig"}
    return {**content, "sig": encode_base64url(signer.sign(dag_cbor.encode(content)))}


def operation_cid(operation: Operation) -> CID:
    """Return the CID of a signed operation, which the next one has as `prev`."""
    return CID.for_dag_cbor(dag_cbor.encode(operation))


def did_for_genesis(operation: Operation) -> Did:
    """Return the DID that a signed genesis operation makes."""
    digest = sha256(dag_cbor.encode(operation)).digest()
    return Did(f"did:plc:{b32encode(digest).decode('ascii').lower()[:_DID_LENGTH]}")


def is_tombstone(operation: Mapping[str, Any]) -> bool:
    """Tell whether an operation ends its DID."""
    return operation.get("type") == "plc_tombstone"


def check_operation(operation: object) -> Operation:
    """Check the form of an operation from outside, its keys and size included; return it, or raise InvalidOperation.

    The old `create` form passes; where it is not welcome, look at `type`.
    """
    if not isinstance(operation, dict):
        raise InvalidOperation("an operation is not an object")
    normal = normalize(operation)
    if not is_tombstone(normal):
        if not 1 <= len(normal["rotationKeys"]) <= MAX_ROTATION_KEYS:
            raise InvalidOperation(f"an operation has no rotation key, or more than {MAX_ROTATION_KEYS}")
        for key in normal["rotationKeys"]:
            try:
                parse_did_key(key)
            except InvalidSyntax as error:
                raise InvalidOperation(f"a rotation key cannot be used: {key[:80]!r}") from error
        for key in normal["verificationMethods"].values():
            # The directory takes keys of other curves here, for other systems than this.
            if _DID_KEY.fullmatch(key) is None:
                raise InvalidOperation(f"a verification method is not a did:key: {key[:80]!r}")
    try:
        size = len(dag_cbor.encode(operation))
    except ProtocolError as error:
        raise InvalidOperation("an operation is not of the data model") from error
    if size > MAX_OPERATION_SIZE:
        raise InvalidOperation(f"an operation is larger than {MAX_OPERATION_SIZE} bytes")
    return operation


def normalize(operation: Mapping[str, Any]) -> Operation:
    """Return an operation in today's form, whatever its own; raise InvalidOperation when it has none of the three."""
    if _has_form(operation, _OPERATION_FIELDS) and operation["type"] == "plc_operation":
        return dict(operation)
    if _has_form(operation, _TOMBSTONE_FIELDS) and operation["type"] == "plc_tombstone":
        return dict(operation)
    if not _has_form(operation, _CREATE_FIELDS) or operation["type"] != "create":
        raise InvalidOperation("not an operation of did:plc")
    handle, service = operation["handle"], operation["service"]
    if not handle.startswith("at://"):
        handle = "at://" + handle.replace("http://", "", 1).replace("https://", "", 1)
    if not service.startswith(("http://", "https://")):
        service = "https://" + service
    return {
        "type": "plc_operation",
        "verificationMethods": {SIGNING_KEY_ID: operation["signingKey"]},
        "rotationKeys": [operation["recoveryKey"], operation["signingKey"]],
        "alsoKnownAs": [handle],
        "services": {PDS_SERVICE_ID: {"type": PDS_SERVICE_TYPE, "endpoint": service}},
        "prev": operation["prev"],
        "sig": operation["sig"],
    }


def verify_operation(operation: Operation, rotation_keys: Sequence[str]) -> str:
    """Return the first of `rotation_keys` that signed an operation; raise InvalidSignature when none did."""
    content = {field: value for field, value in operation.items() if field != "sig"}
    try:
        message = dag_cbor.encode(content)
        signature = decode_base64url(operation["sig"])
        for did_key in rotation_keys:
            if parse_did_key(did_key).verify(message, signature):
                return did_key
    except (KeyError, AttributeError, TypeError, ProtocolError) as error:
        raise InvalidSignature("the signature of an operation cannot be read") from error
    raise InvalidSignature("an operation is signed with none of the rotation keys")


def state_after(did: Did, operation: Operation) -> PlcState | None:
    """Return what a DID says after an operation, or None after its end; raise InvalidOperation."""
    normal = normalize(operation)
    if is_tombstone(normal):
        return None
    return PlcState(
        did=did,
        rotation_keys=tuple(normal["rotationKeys"]),
        verification_methods=dict(normal["verificationMethods"]),
        also_known_as=tuple(normal["alsoKnownAs"]),
        services={name: (service["type"], service["endpoint"]) for name, service in normal["services"].items()},
    )


def to_did_document(state: PlcState) -> dict[str, Any]:
    """Return the DID document of a state, in the directory's form."""
    return format_did_document(state.did, list(state.also_known_as), state.verification_methods, state.services)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_services(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, dict) and _is_text(item.get("type")) and _is_text(item.get("endpoint"))
        for item in value.values()
    )


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_none(value: object) -> bool:
    return value is None


_OPERATION_FIELDS: Final = {
    "type": _is_text,
    "rotationKeys": _is_texts,
    "verificationMethods": _is_text_map,
    "alsoKnownAs": _is_texts,
    "services": _is_services,
    "prev": _is_text_or_none,
    "sig": _is_text,
}
_TOMBSTONE_FIELDS: Final = {"type": _is_text, "prev": _is_text, "sig": _is_text}
_CREATE_FIELDS: Final = {
    "type": _is_text,
    "signingKey": _is_text,
    "recoveryKey": _is_text,
    "handle": _is_text,
    "service": _is_text,
    "prev": _is_none,
    "sig": _is_text,
}


def _has_form(operation: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(field in operation and is_valid(operation[field]) for field, is_valid in fields.items())
