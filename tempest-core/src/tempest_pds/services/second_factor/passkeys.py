"""Passkeys, by WebAuthn: what a browser is to ask them, and whether what they answer is right.

Terms: a *passkey* is a key pair in a phone, a computer or a security key, made for one server: its host name is the
*relying party id*, and the browser lets no other site use it. Being *registered* it hands over its public half and an
id; later it *asserts* by signing a challenge. Here it stands beside the password, not in its place. So it needs to be
there and touched, and who holds it need not be verified again; who made it is not asked (no attestation).

Browsers take and give JSON as WebAuthn Level 3 writes it: https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.passkeys import Passkey

if TYPE_CHECKING:
    from fido2.server import Fido2Server
    from fido2.webauthn import AttestedCredentialData

_NO_MODEL: Final = bytes(16)
_LONGEST: Final = 16_384


@dataclass(frozen=True, slots=True)
class Assertion:
    """A passkey that has answered right, and how often it says to have signed."""

    passkey: Passkey
    sign_count: int


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a passkey that is being registered has handed over."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class PasskeyCeremonies:
    """Make requests for passkeys, and check the answers; nothing is kept.

    Args:
        public_url: of this server: its host is the relying party id, and it is the only origin that is accepted.
    """

    def __init__(self, public_url: str) -> None:
        self._origin = public_url
        self._host = urlsplit(public_url).hostname or ""

    @property
    def is_possible(self) -> bool:
        """Tell whether this server can have passkeys: they belong to a name, and an address is none."""
        try:
            ip_address(self._host)
        except ValueError:
            return True
        return False

    def registration(self, did: Did, account_name: str, present: Sequence[Passkey], challenge: bytes) -> str:
        """Give what a browser is to ask for when a passkey is added, in JSON."""
        from fido2.webauthn import PublicKeyCredentialUserEntity, ResidentKeyRequirement, UserVerificationRequirement

        # The handle is kept by the passkey, where others may read it: it names nobody.
        handle = hashlib.sha256(did.encode()).digest()
        options, _ = self._server.register_begin(
            PublicKeyCredentialUserEntity(id=handle, name=account_name, display_name=account_name),
            [_credential(passkey) for passkey in present],
            resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
            user_verification=UserVerificationRequirement.DISCOURAGED,
            challenge=challenge,
        )
        return json.dumps(dict(options)["publicKey"])

    def register(self, answer: str, challenge: bytes) -> NewKey | None:
        """Read what a passkey handed over; None when it is not an answer to this challenge."""
        from fido2 import cbor

        try:
            registered = self._server.register_complete(_state(challenge), _parse(answer))
            found = registered.credential_data
        except Exception:  # noqa: BLE001 - a stranger's bytes, and the library's parsers raise what comes
            return None
        if found is None or len(found.credential_id) > 1023:
            return None
        return NewKey(found.credential_id, cbor.encode(found.public_key), registered.counter)

    def request(self, passkeys: Sequence[Passkey], challenge: bytes) -> str:
        """Give what a browser is to ask any of these passkeys, in JSON."""
        from fido2.webauthn import UserVerificationRequirement

        options, _ = self._server.authenticate_begin(
            [_credential(passkey) for passkey in passkeys],
            user_verification=UserVerificationRequirement.DISCOURAGED,
            challenge=challenge,
        )
        return json.dumps(dict(options)["publicKey"])

    def verify(self, passkeys: Sequence[Passkey], answer: str, challenge: bytes) -> Assertion | None:
        """Find the passkey that has signed a challenge; None when it is none of these, or was copied."""
        from fido2.webauthn import AuthenticationResponse

        try:
            response = AuthenticationResponse.from_dict(_parse(answer))
            proven = self._server.authenticate_complete(
                _state(challenge), [_credential(passkey) for passkey in passkeys], response
            )
            sign_count = response.response.authenticator_data.counter
        except Exception:  # noqa: BLE001 - a stranger's bytes, and the library's parsers raise what comes
            return None
        [passkey] = [passkey for passkey in passkeys if passkey.credential_id == proven.credential_id]
        # Of two that count from one number on, one is a copy. https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
        if (sign_count or passkey.sign_count) and sign_count <= passkey.sign_count:
            return None
        return Assertion(passkey, sign_count)

    @cached_property
    def _server(self) -> Fido2Server:
        # Loaded by the first passkey, not by the start.
        from fido2.server import Fido2Server
        from fido2.webauthn import AttestationConveyancePreference, PublicKeyCredentialRpEntity

        return Fido2Server(
            PublicKeyCredentialRpEntity(name=self._host, id=self._host),
            attestation=AttestationConveyancePreference.NONE,
            verify_origin=lambda origin: origin == self._origin,
        )


def _credential(passkey: Passkey) -> AttestedCredentialData:
    from fido2 import cbor
    from fido2.cose import CoseKey
    from fido2.webauthn import AttestedCredentialData

    key = CoseKey.parse(cast("Mapping[int, Any]", cbor.decode(passkey.public_key)))
    return AttestedCredentialData.create(_NO_MODEL, passkey.credential_id, key)


def _state(challenge: bytes) -> Mapping[str, Any]:
    from fido2.utils import websafe_encode

    return {"challenge": websafe_encode(challenge), "user_verification": None}


def _parse(answer: str) -> dict[str, Any]:
    if len(answer) > _LONGEST:
        raise ValueError("too long")
    parsed = json.loads(answer)
    if not isinstance(parsed, dict):
        raise TypeError("no object")
    return parsed
