"""The repo files of all accounts, of which the most recently used are kept open."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax, TempestError
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import SCHEMA
from tempest_pds.stores.database import QueryObserver, connect
from tempest_pds.stores.file_names import name_to_did, sharded
from tempest_pds.stores.files import make_directory, sync_directory, write_atomically

_SUFFIX: Final = ".sqlite"
_RETIRED_AT_MOST: Final = 32


class RepoNotFound(TempestError):
    """This server has no repo file for the DID."""


class RepoExists(TempestError):
    """This server has a repo file for the DID already."""


class ActorStores:
    """Opens, makes and deletes repo files under `directory`, at `<2 hex of sha256(did)>/<did>.sqlite`.

    `capacity` files are held open; those in use are never closed. May be called from any thread.

    Closing a file that was written checkpoints it, which takes milliseconds. So a file pushed out is put aside, and
    `reap` closes it: the writer calls that between batches.
    """

    def __init__(
        self,
        directory: Path,
        *,
        capacity: int = 200,
        cache_kib: int = 512,
        observe: QueryObserver | None = None,
    ) -> None:
        self.directory = directory
        self._capacity = capacity
        self._cache_kib = cache_kib
        self._observe = observe
        self._open: OrderedDict[str, ActorStore] = OrderedDict()
        self._retired: list[ActorStore] = []
        self._lock = threading.RLock()
        self._template: bytes | None = None

    def path_of(self, did: str) -> Path:
        """Return where the repo file of `did` lies, whether or not it exists; raise InvalidSyntax."""
        return sharded(self.directory, did, _SUFFIX)

    def exists(self, did: str) -> bool:
        """Tell whether there is a repo file for `did`."""
        if did in self._open:
            return True
        try:
            return self.path_of(did).exists()
        except InvalidSyntax:
            return False

    def open(self, did: str) -> ActorStore:
        """Open the repo file of `did`, pinned: use it in a `with` block, or call its `release`.

        Raises RepoNotFound; SchemaTooNew when a newer Tempest wrote it. Takes a microsecond when the file is open, half
        a millisecond when it is not.
        """
        with self._lock:
            store = self._open.get(did)
            if store is not None:
                self._open.move_to_end(did)
            else:
                store = self._revive(did) or self._open_file(did)
                self._open[did] = store
            store.pin()
            if len(self._open) > self._capacity:
                self._retire()
            return store

    def _revive(self, did: str) -> ActorStore | None:
        for index, store in enumerate(self._retired):
            if store.did == did:
                return self._retired.pop(index)
        return None

    def _open_file(self, did: str) -> ActorStore:
        if not self.exists(did):
            raise RepoNotFound(f"no repo of {did[:200]} here")
        return ActorStore(did, self.path_of(did), cache_kib=self._cache_kib, observe=self._observe)

    def _retire(self) -> None:
        for did, store in list(self._open.items()):
            if len(self._open) <= self._capacity:
                break
            if not store.pinned:
                del self._open[did]
                self._retired.append(store)
        if len(self._retired) > _RETIRED_AT_MOST:
            self.reap()

    def reap(self) -> int:
        """Close the files that were pushed out; return how many."""
        with self._lock:
            retired, self._retired = self._retired, []
            for store in retired:
                store.close()
            return len(retired)

    def create(self, did: str) -> ActorStore:
        """Make an empty repo file, on the disk when this returns, and open it, pinned. Raises RepoExists."""
        with self._lock:
            path = self.path_of(did)
            if path.exists():
                raise RepoExists(f"there is a repo of {did} here")
            make_directory(path.parent)
            _delete_log(path)
            write_atomically(path, self._empty_file(), mode=0o600)
            return self.open(did)

    def _empty_file(self) -> bytes:
        """Return the bytes of a repo file with all its tables, made once: 3 ms of DDL for each account are saved."""
        if self._template is None:
            path = self.directory / f"template-{os.getpid()}.part"
            make_directory(self.directory)
            path.unlink(missing_ok=True)
            connection = connect(path, cache_kib=512)
            try:
                SCHEMA.create(connection)
            finally:
                connection.close()
            self._template = path.read_bytes()
            path.unlink()
        return self._template

    def delete(self, did: str) -> bool:
        """Delete the repo file of `did` with its write-ahead log; tell whether there was one.

        The caller has seen to it that nobody uses the file.
        """
        with self._lock:
            store = self._open.pop(did, None) or self._revive(did)
            if store is not None:
                store.discard()
            path = self.path_of(did)
            existed = path.exists()
            _delete_log(path)
            path.unlink(missing_ok=True)
            if existed:
                sync_directory(path.parent)
            return existed

    def dids(self) -> Iterator[str]:
        """Yield the DID of every repo file, in no order that means anything."""
        for path in self.directory.glob("??/*" + _SUFFIX):
            yield name_to_did(path.name[: -len(_SUFFIX)])

    def open_count(self) -> int:
        """Return how many files are open."""
        return len(self._open) + len(self._retired)

    def close(self) -> None:
        """Close every file; nobody may be using one."""
        with self._lock:
            self.reap()
            while self._open:
                self._open.popitem()[1].close()


def _delete_log(path: Path) -> None:
    """Delete a write-ahead log before its file is deleted or made: left over, it would be played into the next one."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
