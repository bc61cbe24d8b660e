"""The end of a repository: of an account that is deleted, or of a sign-up that failed."""

from __future__ import annotations

import asyncio

import pytest

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.new_repositories import create_repository
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.stores.key_files import SigningKeyNotFound

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")


async def test_a_removed_repository_leaves_nothing_behind(write_path):
    await write_path.upload(b"gone soon")
    await write_path.post("gone soon")
    file = write_path.stores.path_of(ALICE)
    await write_path.repos.remove(ALICE)
    assert not write_path.stores.exists(ALICE)
    assert [path for path in file.parent.iterdir() if path.name.startswith(file.stem)] == []
    assert [stat async for stat in write_path.blob_store.list("")] == []
    with pytest.raises(RepoNotFound):
        await write_path.post("nobody")
    await write_path.log.settle()
    assert not file.exists(), "settling does not bring the file back"
    with pytest.raises(SigningKeyNotFound):
        write_path.keys.signing_key(ALICE)


async def test_a_repository_can_begin_anew_after_its_removal(write_path):
    await write_path.post("of the first life")
    await write_path.repos.remove(ALICE)
    write_path.created += 1
    key = generate_k256()
    write_path.keys.put_signing_key(ALICE, key)
    create_repository(write_path.stores, ALICE, key, write_path.revs.next())
    await write_path.post("of the second life", rkey="second")
    assert list(await write_path.contents()) == ["app.bsky.feed.post/second"]


async def test_removing_nothing_is_no_error(write_path):
    await write_path.repos.remove(BOB)


async def test_removal_waits_for_writes_under_way(write_path):
    writes = [asyncio.create_task(write_path.post(str(number))) for number in range(20)]
    await asyncio.sleep(0)
    await write_path.repos.remove(ALICE)
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert all(not isinstance(result, BaseException) for result in results)
