"""The data directory, opened: its lock, its keys and its three kinds of database. Part of the composition root."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey, private_key
from tempest_pds.settings import Settings
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.database import QueryObserver, Synchronous
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds.telemetry import Instruments

_SYNCHRONOUS: Final[dict[str, Synchronous]] = {"power": "FULL", "process": "NORMAL"}


@dataclass(frozen=True, slots=True)
class OpenedData:
    """What is in the data directory, ready for use."""

    directory: DataDirectory
    keys: KeyFiles
    accounts: AccountStore
    sequencer: SequencerStore
    stores: ActorStores


def open_data(settings: Settings, instruments: Instruments, stack: AsyncExitStack) -> OpenedData:
    """Take the directory and open what is in it; the stack closes it again.

    Raises DataDirectoryInUse, DataDirectoryUnusable, DatabaseUnusable.
    """
    directory = DataDirectory(settings.data_dir)
    stack.enter_context(directory.lock())
    keys = KeyFiles(directory.keys, rotation_key=_rotation_key(settings))
    observe = _observe_queries(instruments)
    synchronous = _SYNCHRONOUS[settings.durability]
    accounts = AccountStore(directory.accounts, synchronous=synchronous, observe=observe)
    stack.callback(accounts.close)
    sequencer = SequencerStore(directory.sequencer, synchronous=synchronous, observe=observe)
    stack.callback(sequencer.close)
    stores = ActorStores(directory.repos, observe=observe)
    stack.callback(stores.close)
    return OpenedData(directory, keys, accounts, sequencer, stores)


def _observe_queries(instruments: Instruments) -> QueryObserver:
    attributes = {
        (kind, operation): {"db": kind, "operation": operation}
        for kind in ("account", "sequencer", "repo")
        for operation in ("read", "write")
    }

    def observe(kind: str, operation: str, seconds: float) -> None:
        instruments.sqlite_query_duration.record(seconds, attributes[(kind, operation)])

    return observe


def _rotation_key(settings: Settings) -> PrivateKey | None:
    key = settings.plc_rotation_key
    return None if key is None else private_key(bytes.fromhex(key), "k256")
