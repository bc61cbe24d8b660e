"""What the tests of the stores share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.sequencer.store import SequencerStore

# The helpers beside the tests; importlib mode puts no folder on the path by itself.
sys.path.insert(0, str(Path(__file__).parent))

DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[ActorStores]:
    stores = ActorStores(tmp_path / "repos", capacity=3)
    yield stores
    stores.close()


@pytest.fixture
def actor(stores: ActorStores) -> Iterator[ActorStore]:
    with stores.create(DID) as store:
        yield store


@pytest.fixture
def sequencer(tmp_path: Path) -> Iterator[SequencerStore]:
    store = SequencerStore(tmp_path / "sequencer.sqlite")
    yield store
    store.close()


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[AccountStore]:
    store = AccountStore(tmp_path / "account.sqlite")
    yield store
    store.close()
