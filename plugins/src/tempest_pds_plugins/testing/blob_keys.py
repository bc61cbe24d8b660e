"""What every `BlobStore` must do with keys: carry those of its alphabet, refuse all others, list them in order."""

import asyncio

import pytest

from tempest_pds_plugins import streams
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import InvalidKey

ODD_KEYS = [
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a.b",
    "A",
    "A/b",
    "a%2Fb",
    "a+b",
    "~a",
    "...",
    ".hidden",
    "-rf",
    "tmp/x",
    "con",
    "x.",
    "abcdefgh",
    "abcdefghi",
    "abcdefghi/j",
    "abcdefghij",
    "did:plc:ewvi7nxzyoun6zhxrhs64oiz/bafkreibjfgx2gprinfvicegelk5kosd6y2frmqpqzwqkg7usac74l3t2v4",
    "did:web:example.com%3A8080/k",
    "k=v@host",
    "z" * 512,
    "/".join("s" * 1 for _ in range(200)),
]

BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a\0b",
    "a\nb",
    "a b",
    "é",
    "a\\b",
    "x" * 513,
    "a\n",
]


class BlobKeysContract:
    """The part of `BlobStoreContract` that is about keys, with the fixture `store` from there."""

    many = 1050

    @pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: key[:24])
    async def test_odd_key_is_carried(self, store: BlobStore, key: str) -> None:
        assert (await store.put(key, streams.of(b"x"))).key == key
        assert (await store.stat(key)).key == key
        assert [stat.key async for stat in store.list()] == [key]
        await store.delete(key)
        assert [stat.key async for stat in store.list()] == []

    @pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: key[:24])
    async def test_odd_key_is_moved_there_and_back(self, store: BlobStore, key: str) -> None:
        """A store that copies by way of a URL must not read a key's "%" or ":" as part of one."""
        await store.put(key, streams.of(b"x"))
        await store.move(key, "elsewhere")
        assert [stat.key async for stat in store.list()] == ["elsewhere"]
        await store.move("elsewhere", key)
        assert [stat.key async for stat in store.list()] == [key]

    async def test_odd_keys_live_side_by_side_in_key_order(self, store: BlobStore) -> None:
        for key in reversed(ODD_KEYS):
            await store.put(key, streams.of(key.encode()))
        assert [(stat.key, stat.size) async for stat in store.list()] == [(key, len(key)) for key in sorted(ODD_KEYS)]
        for key in ODD_KEYS:
            assert await streams.collect(await store.get(key)) == key.encode()

    @pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
    async def test_bad_key_is_refused(self, store: BlobStore, key: str) -> None:
        await store.put("good", streams.of(b"x"))
        with pytest.raises(InvalidKey):
            await store.put(key, streams.of(b"x"))
        with pytest.raises(InvalidKey):
            await store.get(key)
        with pytest.raises(InvalidKey):
            await store.stat(key)
        with pytest.raises(InvalidKey):
            await store.delete(key)
        with pytest.raises(InvalidKey):
            await store.move(key, "good")
        with pytest.raises(InvalidKey):
            await store.move("good", key)
        assert await streams.collect(await store.get("good")) == b"x"

    # Listing

    @pytest.mark.parametrize(
        "prefix", ["", "a", "a/", "a/b", "a/bafkreih", "a/bafkreihd", "a/bafkreihdwd", "b/", "c", "a/b/", "ab/"]
    )
    async def test_list_by_any_prefix(self, store: BlobStore, prefix: str) -> None:
        keys = [
            "a",
            "a/b",
            "a/bafkreihdwdc",
            "a/bafkreihdwde/x",
            "a/bafkreihz",
            "a/c",
            "ab",
            "b/a",
            "b/b/c/d/e/f/g/h/i",
        ]
        for key in keys:
            await store.put(key, streams.of(b"x"))
        assert [stat.key async for stat in store.list(prefix)] == [key for key in keys if key.startswith(prefix)]

    async def test_many_blobs_are_listed_once_each_in_key_order(self, store: BlobStore) -> None:
        keys = [f"many/{(number * 7919) % 100_003:x}{'y' * (number % 12)}" for number in range(self.many)]
        pending = iter(keys)

        async def worker() -> None:
            for key in pending:
                await store.put(key, streams.of(b"x"))

        await asyncio.gather(*[worker() for _ in range(16)])
        assert [stat.key async for stat in store.list("many/")] == sorted(keys)

    async def test_listing_goes_on_while_blobs_are_deleted(self, store: BlobStore) -> None:
        keys = [f"k/{number:02}" for number in range(20)]
        for key in keys:
            await store.put(key, streams.of(b"x"))
        seen: list[str] = []
        async for stat in store.list("k/"):
            if not seen:
                for key in keys[10:]:
                    await store.delete(key)
            seen.append(stat.key)
        assert seen[:10] == keys[:10]
        assert seen == sorted(set(seen))
