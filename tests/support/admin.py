"""The administrator of a server under test, and a moderation service that it trusts."""

import base64
import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.support.account import CallRefused
from tests.support.process import ServerProcess, json_request
from tests.support.reference import ADMIN_PASSWORD, PlcDirectory, ReferencePds

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis

ADMIN = "com.atproto.admin"
REPO_REF, BLOB_REF, RECORD_REF = f"{ADMIN}.defs#repoRef", f"{ADMIN}.defs#repoBlobRef", "com.atproto.repo.strongRef"


def admin_token(server: ServerProcess) -> str:
    """Return what the administrator of a server logs in with."""
    if isinstance(server, ReferencePds):
        return ADMIN_PASSWORD
    return (server.folder / "keys" / "secret_admin_token").read_text().strip()


def basic(token: str) -> str:
    """Return the header of the administrator as curl, pdsadmin and goat send it."""
    return "Basic " + base64.b64encode(f"admin:{token}".encode()).decode()


@dataclass(frozen=True)
class Admin:
    """The administrator of a server."""

    server: ServerProcess
    token: str

    @classmethod
    def of(cls, server: ServerProcess) -> "Admin":
        return cls(server, admin_token(server))

    def call(self, nsid: str, body: object = None, query: str = "") -> Any:
        """Call a method, POST when there is a body; raise CallRefused."""
        path = f"{self.server.url}/xrpc/{nsid}{'?' if query else ''}{query}"
        status, answer = json_request(path, body, {"Authorization": basic(self.token)})
        if status != 200:
            raise CallRefused(status, answer)
        return answer

    def set_status(self, subject: dict[str, str], **changes: Any) -> Any:
        return self.call(f"{ADMIN}.updateSubjectStatus", {"subject": subject, **changes})

    def take_down(self, subject: dict[str, str], reference: str = "reason-1") -> Any:
        return self.set_status(subject, takedown={"applied": True, "ref": reference})

    def restore(self, subject: dict[str, str]) -> Any:
        return self.set_status(subject, takedown={"applied": False})


def repo_ref(did: str) -> dict[str, str]:
    """Name an account as the subject of a decision."""
    return {"$type": REPO_REF, "did": did}


def record_ref(uri: str, cid: str) -> dict[str, str]:
    """Name a record as the subject of a decision."""
    return {"$type": RECORD_REF, "uri": uri, "cid": cid}


def blob_ref(did: str, cid: str) -> dict[str, str]:
    """Name a blob as the subject of a decision."""
    return {"$type": BLOB_REF, "did": did, "cid": cid}


@dataclass(frozen=True)
class Moderator:
    """A service with a DID of its own that signs its requests."""

    did: str
    key: PrivateKey

    @classmethod
    def register(cls, plc: PlcDirectory) -> "Moderator":
        """Make a DID, and have the directory know it."""
        key = generate_k256()
        name = key.public.did_key
        operation = genesis(
            handle="moderator.test", signing_key=name, pds_url="http://localhost:1", rotation_keys=[name], signer=key
        )
        did = did_for_genesis(operation)
        request = urllib.request.Request(
            f"{plc.url}/{did}", json.dumps(operation).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30):
            return cls(str(did), key)

    def token(self, method: str, **changes: Any) -> str:
        """Sign a request for one method to a server on localhost."""
        now = int(time.time())
        claims = {"iat": now, "iss": self.did, "aud": "did:web:localhost", "exp": now + 60, "lxm": method, **changes}
        return jwt.encode({"typ": "JWT"}, claims, self.key)
