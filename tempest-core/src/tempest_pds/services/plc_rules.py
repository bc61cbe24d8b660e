"""What a did:plc should say of an account here, and which operations would break the account.

An operation that takes this server's rotation key out of a DID is its owner's right: he keeps the keys to himself then,
and this server can no longer change the DID for him. It is also the classic way to lose an account, when a client
mistakes itself. So it is taken only when it is signed with a rotation key that stays in it and is not the server's.
Whoever signed it holds that key, and with it the DID, whatever else the operation got wrong. For the same reason it
takes two operations to put another key in the place of one's only one: the first adds the new key, and the second,
signed with it, drops the old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.errors import InvalidSignature
from tempest_pds.protocol.identity.did_document import PDS_SERVICE_ID, PDS_SERVICE_TYPE, SIGNING_KEY_ID
from tempest_pds.protocol.identity.plc_operation import Operation, is_tombstone, normalize, verify_operation
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class DidCredentials:
    """What the DID of an account here should say.

    Attributes:
        server_key: the did:key of this server's rotation key.
        operator_key: the did:key that the operator wants above it, if any.
        signing_key: the did:key that the account's repository is signed with.
        public_url: the origin of this server.
        handle: of the account; None while it has none.
    """

    server_key: str
    operator_key: str | None
    signing_key: str
    public_url: str
    handle: Handle | None

    @property
    def rotation_keys(self) -> list[str]:
        """The keys that this server recommends, in order of power."""
        keys = [self.operator_key, self.server_key]
        return list(dict.fromkeys(key for key in keys if key is not None))

    @property
    def also_known_as(self) -> list[str] | None:
        """The names of the account; None while it has none."""
        return None if self.handle is None else [f"at://{self.handle}"]

    @property
    def verification_methods(self) -> dict[str, str]:
        """The public keys of the account by id."""
        return {SIGNING_KEY_ID: self.signing_key}

    @property
    def services(self) -> dict[str, dict[str, str]]:
        """The services of the account by id."""
        return {PDS_SERVICE_ID: {"type": PDS_SERVICE_TYPE, "endpoint": self.public_url}}


def check_keeps_account(operation: Operation, credentials: DidCredentials) -> None:
    """Pass if an account works as well after an operation of today's form as before it.

    Raises:
        InvalidRequest: it does not, or its owner could be locked out; the texts are those of the reference server.
    """
    if credentials.server_key not in operation["rotationKeys"] and not _has_own_key(operation):
        raise InvalidRequest(
            "Rotation keys do not include server's rotation key; to do without it, sign the operation with a key of "
            "your own that stays in it"
        )
    service: Mapping[str, Any] = operation["services"].get(PDS_SERVICE_ID, {})
    if service.get("type") != PDS_SERVICE_TYPE:
        raise InvalidRequest(f"Incorrect type on {PDS_SERVICE_ID} service")
    if service.get("endpoint") != credentials.public_url:
        raise InvalidRequest(f"Incorrect endpoint on {PDS_SERVICE_ID} service")
    if operation["verificationMethods"].get(SIGNING_KEY_ID) != credentials.signing_key:
        raise InvalidRequest("Incorrect signing key")
    names = credentials.also_known_as
    if names is not None and operation["alsoKnownAs"][:1] != names:
        raise InvalidRequest("Incorrect handle in alsoKnownAs")


def check_may_change(last: Operation, key: PrivateKey) -> None:
    """Pass if this server's rotation key may sign what follows the operation in force; raise InvalidRequest."""
    if is_tombstone(last):
        raise InvalidRequest("Did is tombstoned")
    if key.public.did_key not in normalize(last)["rotationKeys"]:
        raise InvalidRequest("Server rotation key not included in PLC DID data")


def _has_own_key(operation: Operation) -> bool:
    """Tell whether an operation without the server's key is signed with one of the keys in it."""
    try:
        verify_operation(operation, operation["rotationKeys"])
    except InvalidSignature:
        return False
    return True
