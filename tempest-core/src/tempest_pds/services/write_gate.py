"""The last look before a commit is queued: may this account commit at this very moment?

What requests ask about accounts is looked up when they come, and much may be awaited between that and the commit: a
blob that moves, an earlier write. An account that is switched off meanwhile must not be heard of again behind the event
that says so. So this is asked in the step of the event loop that queues the commit, and read from the disk: whoever
reads there that the account is active comes before the event that ends it, because that is queued by a later step.

The other way round, an account that is switched on has events in the outbox until the log has them, and a commit must
come behind those.
"""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.hosting import check_writable
from tempest_pds.services.repo_errors import RepoBusy
from tempest_pds.stores.account.account_store import AccountStore


class WriteGate:
    """Lets commits pass, in the order in which the network has to hear of things."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    def check(self, did: Did) -> None:
        """Pass if the account may commit now; nothing may be awaited between this and queueing the commit.

        Raises:
            AccountMissing, AccountTakedown, AccountDeactivated: as `Hosting.writable`.
            RepoBusy: what became of the account has not been told to the network yet.
        """
        check_writable(self._store.accounts.get(did))
        if self._store.pending_events.hold_back(did):
            raise RepoBusy("The account has changed just now. Try again in a moment.")
