"""Somebody with a DID of his own, hosted nowhere that a test knows of, who asks a server to take him in."""

import json
import secrets
import time
import urllib.request
from typing import Any, Final

from tests.support.account import Account, CallRefused
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis, tombstone, update

SERVER: Final = "com.atproto.server"
ELSEWHERE: Final = "https://elsewhere.example.com"


class Wanderer:
    """A DID in the directory with its keys; what its last server would do is done by the test."""

    def __init__(self, plc: PlcDirectory) -> None:
        self._plc = plc
        self.name = f"w{secrets.token_hex(5)}"
        self.rotation_key = generate_k256()
        self.key: PrivateKey = generate_k256()
        operation = genesis(
            handle=f"{self.name}.example.com",
            signing_key=self.key.public.did_key,
            pds_url=ELSEWHERE,
            rotation_keys=[self.rotation_key.public.did_key],
            signer=self.rotation_key,
        )
        self.did = did_for_genesis(operation)
        self._last: Any = operation
        self._submit(operation)

    def change_did(self, **changes: Any) -> None:
        """Change the DID's document; see `plc_operation.update`."""
        self._last = update(self._last, self.rotation_key, **changes)
        self._submit(self._last)

    def point_at(self, account: Account) -> None:
        """Change the DID to what the account's server recommends; the owner's own rotation key stays."""
        wanted = account.query("com.atproto.identity.getRecommendedDidCredentials")
        self.change_did(
            handle=account.handle,
            pds_url=wanted["services"]["atproto_pds"]["endpoint"],
            signing_key=wanted["verificationMethods"]["atproto"],
            rotation_keys=[*wanted["rotationKeys"], self.rotation_key.public.did_key],
        )

    def end_did(self) -> None:
        """Put a tombstone on the DID."""
        self._submit(tombstone(self._last, self.rotation_key))

    def change_key(self) -> PrivateKey:
        """Take another key, and return the one of before."""
        old, self.key = self.key, generate_k256()
        self.change_did(signing_key=self.key.public.did_key)
        return old

    def token(self, *, key: PrivateKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a service token for createAccount at `did:web:localhost`; a claim of None is left out."""
        now = int(time.time())
        all_claims = {
            "iss": self.did,
            "aud": "did:web:localhost",
            "exp": now + 60,
            "iat": now,
            "lxm": f"{SERVER}.createAccount",
            "jti": secrets.token_hex(8),
            **claims,
        }
        given = {name: value for name, value in all_claims.items() if value is not None}
        return jwt.encode({"typ": "JWT", **(header or {})}, given, key or self.key)

    def ask(self, server: ServerProcess, authorization: str | None, **given: Any) -> tuple[int, Any]:
        """Ask for an account of this DID, and return the status and the answer; None leaves a field out."""
        handle = f"{self.name}.test"
        body = {"handle": handle, "email": f"{handle}@mail.test", "password": "a-good-password", "did": self.did}
        given = {name: value for name, value in (body | given).items() if value is not None}
        headers = {} if authorization is None else {"Authorization": authorization}
        return json_request(f"{server.url}/xrpc/{SERVER}.createAccount", given, headers)

    def arrive(self, server: ServerProcess) -> Account:
        """Get the account."""
        status, made = self.ask(server, f"Bearer {self.token()}")
        if status != 200:
            raise CallRefused(status, made)
        return Account(server, made["did"], made["handle"], "a-good-password", made["accessJwt"], made["refreshJwt"])

    def _submit(self, operation: Any) -> None:
        data = json.dumps(operation).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._plc.url}/{self.did}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
