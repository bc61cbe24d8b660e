"""The first commit of a repository, on the disk before anybody hears of the account.

The file is made and holds its commit before the account's row is written. A crash in between leaves a file that no
account refers to; the other way round it would leave an account without a repository.
"""

from dataclasses import dataclass

from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.repo import create_repo
from tempest_pds.services.record_index import commit_row
from tempest_pds.stores.actor.stores import ActorStores


@dataclass(frozen=True, slots=True)
class FirstCommit:
    """The commit over the empty tree."""

    did: Did
    rev: Tid
    commit: CID
    commit_block: bytes


def create_repository(stores: ActorStores, did: Did, key: PrivateKey, rev: Tid) -> FirstCommit:
    """Make the file of a new repository with its first commit. It waits for the disk: not for the event loop.

    Raises:
        RepoExists: there is one of that DID.
    """
    prepared = create_repo(did, key, rev)
    store = stores.create(did)
    try:
        store.apply([commit_row(prepared, {})])
        store.sync()
    finally:
        store.release()
    return FirstCommit(did, rev, prepared.commit, prepared.commit_block)
