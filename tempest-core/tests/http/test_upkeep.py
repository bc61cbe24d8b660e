"""What the server does once an hour, over all accounts."""

import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from authorizing import asked, let_expire, loopback
from whole_server import PNG, User, WholeServer, whole_server

from tempest_pds.adapters.blob_paths import walk
from tempest_pds.stores.actor.stores import ActorStores

BROKEN = "did:plc:brokenaaaaaaaaaaaaaaaaaa"
STRAY = "bafkreidmclqgoloilqzrg3fs2dvqxd2tcub7w6qfav27ijih6bjj4ikus4"
DELETED = "did:plc:deletedaaaaaaaaaaaaaaaaa"


async def forgotten_upload(server: WholeServer, name: str) -> User:
    """Make an account that uploaded a blob long ago and never used it."""
    user = await server.sign_up(name)
    assert (await user.upload(PNG + name.encode(), "image/png")).status_code == 200
    path = ActorStores(server.folder / "repos").path_of(user.did)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE blob SET changed_at = 0")
    connection.close()
    return user


async def chunks() -> AsyncIterator[bytes]:
    yield b"a stray"


def uploads(server: WholeServer) -> list[str]:
    return [key for key, _ in walk(server.folder / "blobs", "")]


async def test_one_account_that_cannot_be_swept_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        for name in ("alice", "bob", "carol"):
            await forgotten_upload(server, name)
        broken = ActorStores(server.folder / "repos").path_of(BROKEN)
        broken.parent.mkdir(exist_ok=True)
        broken.write_bytes(b"This is no database, however long it may be." * 100)
        assert len(uploads(server)) == 3
        upkeep = server.services.status.upkeep
        await upkeep.sweep()
        assert uploads(server) == []
        assert upkeep.swept_at is not None
        [line] = [line for line in server.log_text().splitlines() if "upkeep.account_failed" in line]
        assert BROKEN in line


async def test_strays_are_cleared_though_one_account_cannot_be_asked_for_its_own(tmp_path: Path) -> None:
    """What nobody can say to be a stray stays."""
    async with whole_server(tmp_path) as server:
        user = await server.sign_up("alice")
        broken = ActorStores(server.folder / "repos").path_of(BROKEN)
        broken.parent.mkdir(exist_ok=True)
        broken.write_bytes(b"This is no database, however long it may be." * 100)
        blobs = server.services.blobs
        for did in (BROKEN, user.did, "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"):
            await blobs._blob_store.put(f"temporary/{did}/{STRAY}", chunks())
        assert await blobs.clear_strays(unused_seconds=-60) == 2
        assert uploads(server) == [f"temporary/{BROKEN}/{STRAY}"]


async def test_a_key_that_was_reserved_for_nobody_who_came_is_forgotten(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        reserve = "/xrpc/com.atproto.server.reserveSigningKey"
        old, new = [(await server.http.post(reserve, json={})).json()["signingKey"] for _ in range(2)]
        reserved = server.folder / "keys" / "reserved"
        os.utime(reserved / f"{old.rpartition(':')[2]}.key", (1, 1))
        await server.services.status.upkeep.sweep()
        assert [path.stem for path in reserved.glob("*.key")] == [new.rpartition(":")[2]]


async def test_an_account_that_is_deleted_while_the_sweep_goes_on_is_passed_over(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        await forgotten_upload(server, "alice")
        upkeep = server.services.status.upkeep
        dids = upkeep._stores.dids
        upkeep._stores.dids = lambda: iter([DELETED, *dids()])  # type: ignore[method-assign]
        await upkeep.sweep()
        assert uploads(server) == []
        assert "upkeep." not in server.log_text()


async def test_requests_of_apps_that_nobody_goes_on_with_are_forgotten_within_minutes(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        assert (await server.http.get(asked(loopback()))).status_code == 303
        let_expire(server)
        await server.services.status.upkeep.settle()
        with sqlite3.connect(server.folder / "account.sqlite") as connection:
            assert connection.execute("SELECT count(*) FROM oauth_request").fetchone() == (0,)
        connection.close()
