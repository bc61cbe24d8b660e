"""The past of accounts that a moderator has shut off: who subscribes from an old cursor is not sent their records.

Only the commits are withheld, which have the records in them; that there is such an account, and what became of it, is
told. They stay in the log, from which repositories are brought up to date, and are sent again once the moderator has
let go of the account. What an owner has deactivated is told as it was: everybody has heard of it, and it comes back.

https://atproto.com/specs/account#hosting-status
"""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.hosting import is_blocked
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.sequencer.store import SequencerStore


class WithdrawnEvents:
    """Keep the firehose from sending what was withdrawn, from the start on."""

    def __init__(self, store: AccountStore, sequencer: SequencerStore, firehose: Firehose) -> None:
        self._store = store
        self._sequencer = sequencer
        self._firehose = firehose
        for did in store.accounts.blocked():
            firehose.withhold(sequencer.commits_of(did))

    def update(self, did: Did) -> None:
        """Withdraw an account's commits or give them back, as its status now demands."""
        account = self._store.accounts.get(did)
        commits = self._sequencer.commits_of(did)
        if account is not None and is_blocked(account):
            self._firehose.withhold(commits)
        else:
            self._firehose.give_back(commits)
