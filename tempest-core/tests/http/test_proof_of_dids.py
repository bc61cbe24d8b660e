"""Whoever speaks for a DID has to prove it; and while that is looked up, everybody else is served."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
from whole_server import PASSWORD, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import generate_k256

SERVER = "com.atproto.server"
CREATE = f"{SERVER}.createAccount"
OWN_DID = "did:web:localhost"
STRANGER = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"


def forged(issuer: str, method: str) -> dict[str, str]:
    """Make the header of a service token that is as it should be, but for its signature."""
    claims = {"iss": issuer, "aud": OWN_DID, "lxm": method, "exp": int(time.time()) + 60}
    return {"Authorization": f"Bearer {jwt.encode({'typ': 'JWT'}, claims, generate_k256())}"}


async def bring(server: WholeServer, did: str, headers: dict[str, str]) -> tuple[int, str]:
    given = {"handle": "moved.test", "email": "moved@example.com", "password": PASSWORD, "did": did}
    return verdict(await server.http.post(f"/xrpc/{CREATE}", json=given, headers=headers))


async def test_who_brings_a_did_along_has_to_be_that_did(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice, bob = await server.sign_up("alice"), await server.sign_up("bob")

        async def token(audience: str = OWN_DID, method: str = CREATE) -> dict[str, str]:
            return {"Authorization": f"Bearer {await alice.service_token(audience, method)}"}

        assert await bring(server, bob.did, {}) == (401, "AuthenticationRequired")
        assert await bring(server, bob.did, await token()) == (401, "AuthenticationRequired")
        assert await bring(server, alice.did, forged(alice.did, CREATE)) == (401, "BadJwtSignature")
        assert await bring(server, alice.did, await token("did:web:elsewhere.example")) == (401, "BadJwtAudience")
        other = await token(method="com.atproto.repo.uploadBlob")
        assert await bring(server, alice.did, other) == (401, "BadJwtLexiconMethod")
        # It is proven, and the account is here already.
        assert await bring(server, alice.did, await token()) == (400, "AlreadyExists")


async def test_a_directory_that_does_not_answer_holds_up_only_who_is_looked_up(tmp_path: Path) -> None:
    asked, done = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await done.wait()
        writer.close()

    directory = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://localhost:{directory.sockets[0].getsockname()[1]}"
    upload = "com.atproto.repo.uploadBlob"
    async with directory, whole_server(tmp_path, TEMPEST_PLC_URL=url) as server:
        headers = forged(STRANGER, upload) | {"Content-Type": "image/png"}
        waiting = asyncio.create_task(server.http.post(f"/xrpc/{upload}", content=b"x", headers=headers))
        async with asyncio.timeout(10):
            await asked.wait()
            for _ in range(10):
                assert (await server.anybody(f"{SERVER}.describeServer")).status_code == 200
        assert not waiting.done()
        done.set()
        answer: httpx.Response = await waiting
        assert verdict(answer) == (401, "AuthenticationRequired")
