"""Deleting the accounts whose owners deactivated them with a `deleteAfter` that has come.

What a moderator took down or suspended stays, whatever its owner had asked for: it may be evidence, and whoever is
reported must not be able to do away with it. It is due again once the moderator has let go of it.

An account that came here by a move and was never activated has no `deleteAfter`, and stays: who pauses a move finds
everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_deletion import AccountDeletion
from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import AccountNotFound, InvalidRequest
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.repo_errors import RepoBusy
from tempest_pds.services.timestamps import now_us, to_datetime
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, AccountStatus

_audit = structlog.get_logger("tempest_pds.audit")
_log = structlog.get_logger("tempest_pds.due_deletions")


class NotDue(InvalidRequest):
    """An account that is not to be deleted now: activated meanwhile, put off, or kept by a moderator."""


class DueDeletions:
    """Deletes what is due, and tells its owners.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        deletion: AccountDeletion,
        outbox: CodeOutbox,
        texts: MailTexts,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._deletion = deletion
        self._outbox = outbox
        self._texts = texts
        self._now = now

    async def run(self) -> None:
        """Delete one due account after the other; one that cannot be deleted now is due the next time."""
        for did in self._store.accounts.due_for_deletion(self._now()):
            try:
                await self._delete(did)
            except (NotDue, AccountNotFound, RepoBusy) as error:
                _log.info("account.not_deleted", did=did, reason=str(error))
            except Exception as error:  # noqa: BLE001 - one that cannot be deleted must not keep the others from it
                _log.error("account.deletion_failed", did=did, error=repr(error))

    async def _delete(self, did: Did) -> None:
        due: list[int] = []

        def still_due(account: Account) -> None:
            if account.status is not AccountStatus.DEACTIVATED:
                raise NotDue(f"it is {account.status}")
            if account.delete_after is None or account.delete_after > self._now():
                raise NotDue("it is kept longer")
            due.append(account.delete_after)
            told = self._texts.account_deleted(account)
            if told is not None:
                self._outbox.add(told)

        await self._deletion.delete(did, still_due)
        self._outbox.stir()
        _audit.info("account.deleted_as_due", by="owner", subject=did, delete_after=to_datetime(due[0]))
