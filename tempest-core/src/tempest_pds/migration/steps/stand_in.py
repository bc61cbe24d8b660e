"""Where the source is gone: a key of this machine stands in for the one that the source took with it.

A target takes an account only on a token signed with the account's signing key. The owner's rotation key may change
which key that is: so the DID first gets one that is made here, which signs that one token, and in the end the
target's. It is kept in the folder of the move until then.

https://atproto.com/guides/account-migration
"""

from __future__ import annotations

import secrets
import time
from typing import Final

from tempest_pds.migration.errors import MigrationError, NotNow
from tempest_pds.migration.move import Move
from tempest_pds.migration.secret_key import parse_secret_key
from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.stores.files import write_atomically

_LIFETIME: Final = 300


async def service_token(move: Move, method: str) -> str:
    """Give a token for a method of the target, signed with a key that the DID has been given for it."""
    key = _key(move)
    document = await move.identities.document(move.did)
    if document.signing_key != key.public.did_key:
        await _publish(move, key)
    now = int(time.time())
    claims = {
        "iss": str(move.did),
        "aud": move.target_description.did,
        "lxm": method,
        "iat": now,
        "exp": now + _LIFETIME,
        "jti": secrets.token_hex(16),
    }
    return jwt.encode({"typ": "JWT"}, claims, key)


async def _publish(move: Move, key: PrivateKey) -> None:
    own = move.plan.rotation_key
    if own is None or move.did.method != "plc":
        raise MigrationError("without the source, only a did:plc can be moved, and only with --plc-rotation-key")
    move.owner.tell("The source is gone. To prove to the target whose the account is, its DID gets a new signing key,")
    move.owner.tell(
        "made here. From then on the old server cannot sign for the account any more, even if it comes back."
    )
    if not move.owner.confirm("Change the signing key?"):
        raise NotNow("stopped before the DID was changed: the same command goes on from here")
    last = await move.identities.operation_to_follow(move.did)
    await move.identities.submit(move.did, update(last, own, signing_key=key.public.did_key))


def _key(move: Move) -> PrivateKey:
    path = move.journal.folder / "signing.key"
    if path.exists():
        return parse_secret_key(path.read_text(), str(path))
    key = generate_k256()
    write_atomically(path, f"{key.raw.hex()}\n".encode(), mode=0o600)
    return key


def forget_key(move: Move) -> None:
    """Remove the key, once the DID names the target's."""
    (move.journal.folder / "signing.key").unlink(missing_ok=True)
