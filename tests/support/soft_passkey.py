"""A passkey in software: a key pair that answers as a browser with a security key does, right or in any wrong way."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _ATTESTED = 0x01, 0x40


class SoftPasskey:
    """One passkey for the site at `origin`; it counts how often it signed, from `counts_from` on, or not at all."""

    def __init__(self, origin: str, rp_id: str, counts_from: int | None = 1) -> None:
        self.origin = origin
        self.rp_id = rp_id
        self.count = counts_from
        self.id = secrets.token_bytes(32)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def register(self, options: str, **client_data: str) -> str:
        """Answer what `navigator.credentials.create` was asked for."""
        asked = json.loads(options)
        point = self._key.public_key().public_numbers()
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(_PRESENT | _ATTESTED) + credential}
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", asked["challenge"], client_data),
            attestationObject=cbor2.dumps(attestation),
        )

    def sign(self, request: str, *, present: bool = True, **client_data: str) -> str:
        """Answer what `navigator.credentials.get` was asked for."""
        asked = json.loads(request)
        client = self._client_data("webauthn.get", asked["challenge"], client_data)
        data = self._data(_PRESENT if present else 0)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, flags: int) -> bytes:
        count = 0
        if self.count is not None:
            count, self.count = self.count, self.count + 1
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str, changed: dict[str, str]) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, **changed}).encode()

    def _answer(self, **response: bytes) -> str:
        written: dict[str, Any] = {name: base64url(value) for name, value in response.items()}
        identifier = base64url(self.id)
        return json.dumps(
            {"id": identifier, "rawId": identifier, "type": "public-key", "response": written}
            | {"clientExtensionResults": {}}
        )


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
