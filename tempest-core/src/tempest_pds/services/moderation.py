"""What a moderator decides about accounts, records and blobs: com.atproto.admin.getSubjectStatus, updateSubjectStatus.

A *takedown* hides its subject from everybody, under a reference by which whoever decided knows it again. Undoing it
puts the subject back in the status it had: an account that its owner had deactivated is deactivated again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.accounts import Accounts
from tempest_pds.services.announcer import Announcer, add_account
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import InvalidRequest, NotFound
from tempest_pds.services.quarantine import Quarantine
from tempest_pds.services.timestamps import now_us, to_datetime
from tempest_pds.services.withdrawn_events import WithdrawnEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands.

    Attributes:
        takedown: the reference of its takedown; None when it is not taken down.
        deactivated: whether an account's owner has switched it off; None for anything but an account.
        cid: of a record, as it is now.
    """

    takedown: str | None
    deactivated: bool | None = None
    cid: CID | None = None


class Moderation:
    """Look at subjects, take them down, and put them back.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        accounts: Accounts,
        announcer: Announcer,
        hooks: AccountHooks,
        stores: ActorStores,
        log: CommitLog,
        quarantine: Quarantine,
        withdrawn: WithdrawnEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._accounts = accounts
        self._announcer = announcer
        self._hooks = hooks
        self._stores = stores
        self._log = log
        self._quarantine = quarantine
        self._withdrawn = withdrawn
        self._now = now

    # Looking

    def account(self, did: Did) -> Standing:
        """Tell how an account stands; raise NotFound."""
        account = self._find(did)
        return Standing(account.takedown_ref, account.is_deactivated)

    def record(self, uri: AtUri) -> Standing:
        """Tell how a record stands; raise NotFound, or InvalidRequest when the URI names no record of a DID."""
        did, path = _parts(uri)
        with self._open(did) as store:
            found = store.get_record(path, include_taken_down=True)
            if found is None:
                raise NotFound("Subject not found")
            return Standing(store.record_takedown(path), cid=found[0])

    def blob(self, did: Did, cid: CID) -> Standing:
        """Tell how an uploaded blob stands; raise NotFound."""
        return Standing(self._quarantine.find(did, cid).takedown_ref)

    # Accounts

    async def take_down_account(self, did: Did, reference: str | None) -> None:
        """Hide an account and all it has, end its sessions, and tell the network; raise NotFound.

        Args:
            reference: None makes one up.
        """
        account = self._find(did)
        await self._writer.run(self._store_takedown, account, reference or self._made_up())
        await self._announcer.announce_pending()
        self._withdrawn.update(did)
        self._tell(account, "taken_down")

    async def restore_account(self, did: Did) -> None:
        """Undo the takedown of an account, and tell the network the status it has then; raise NotFound."""
        account = self._find(did)
        await self._writer.run(self._store_takedown, account, None)
        await self._announcer.announce_pending()
        self._withdrawn.update(did)
        if account.is_takendown:
            self._tell(account, "restored")

    async def suspend_account(self, did: Did) -> None:
        """Shut an account off for a while: as a takedown, but the network is told "suspended"; raise NotFound."""
        account = self._find(did)
        await self._writer.run(self._store_suspension, account)
        await self._announcer.announce_pending()
        self._withdrawn.update(did)
        self._tell(account, "suspended")

    async def end_suspension(self, did: Did) -> Account:
        """End a suspension, tell the network the status that the account has then, and give the account back.

        Raises:
            NotFound: no such account.
            InvalidRequest: it is not suspended, though it may be taken down.
        """
        account = await self._writer.run(self._store_end_of_suspension, did)
        await self._announcer.announce_pending()
        self._withdrawn.update(did)
        self._tell(account, "restored")
        return account

    async def deactivate_account(self, did: Did) -> None:
        """Switch an account off as its owner might; raise NotFound."""
        self._find(did)
        await self._accounts.deactivate(did)

    async def activate_account(self, did: Did) -> None:
        """Switch an account on; raise NotFound, or as `Accounts.activate` does."""
        self._find(did)
        await self._accounts.activate(did)

    async def announce_account(self, did: Did) -> None:
        """Tell the network an account's status once more; raise NotFound."""
        account = self._find(did)
        await self._writer.run(self._add_status, account)
        await self._announcer.announce_pending()

    # Records and blobs

    async def take_down_record(self, uri: AtUri, reference: str | None) -> None:
        """Hide a record, and whatever comes in its place; its repository stays whole. Raises as `record` does."""
        await self._mark_record(uri, reference or self._made_up())

    async def restore_record(self, uri: AtUri) -> None:
        """Undo the takedown of a record; raise as `record` does."""
        await self._mark_record(uri, None)

    async def take_down_blob(self, did: Did, cid: CID, reference: str | None) -> None:
        """Let nobody read a blob, nor upload it again; raise NotFound."""
        await self._quarantine.take_down(did, cid, reference or self._made_up())

    async def restore_blob(self, did: Did, cid: CID) -> None:
        """Undo the takedown of a blob; raise NotFound."""
        await self._quarantine.restore(did, cid)

    async def _mark_record(self, uri: AtUri, reference: str | None) -> None:
        did, path = _parts(uri)

        def write(file: ActorStore) -> bool:
            found = file.set_record_takedown(path, reference)
            # The log knows nothing of takedowns, so nothing would bring one back after a loss of power.
            file.sync()
            return found

        with self._open(did) as store:
            if not await self._log.change_file(store, write):
                raise NotFound("Subject not found")

    def _find(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None:
            raise NotFound("Subject not found")
        return account

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise NotFound("Subject not found") from error

    def _made_up(self) -> str:
        return to_datetime(self._now())

    def _tell(self, account: Account, change: str) -> None:
        self._hooks.notify("account_changed", did=str(account.did), handle=account.handle, change=change)

    # In the thread that writes accounts

    def _store_takedown(self, account: Account, reference: str | None) -> None:
        with self._store.transaction():
            self._store.accounts.set_takedown(account.did, reference)
            if reference is not None:
                self._store.end_sessions(account.did)
            self._add_status(account)

    def _store_suspension(self, account: Account) -> None:
        with self._store.transaction():
            self._store.accounts.set_suspended(account.did, self._now())
            self._store.end_sessions(account.did)
            self._add_status(account)

    def _store_end_of_suspension(self, did: Did) -> Account:
        with self._store.transaction():
            account = self._find(did)
            if account.suspended_at is None:
                name = account.handle or did
                if account.is_takendown:
                    raise InvalidRequest(f"{name} is taken down, not suspended: tempest account untakedown")
                raise InvalidRequest(f"{name} was not suspended")
            self._store.accounts.set_suspended(did, None)
            self._add_status(account)
            return self._find(did)

    def _add_status(self, account: Account) -> None:
        with self._store.transaction():
            now = self._store.accounts.get(account.did)
            if now is not None:
                add_account(self._store, now.did, None if now.is_active else now.status)


def _parts(uri: AtUri) -> tuple[Did, str]:
    authority, collection, rkey = uri.authority, uri.collection, uri.rkey
    if not isinstance(authority, Did) or collection is None or rkey is None:
        raise InvalidRequest("The subject must be the URI of a record, with the DID of its account")
    return authority, f"{collection}/{rkey}"
