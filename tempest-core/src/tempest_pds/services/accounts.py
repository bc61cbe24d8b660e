"""An account's coming and going: activateAccount, deactivateAccount, checkAccountStatus, reserveSigningKey.

What becomes of an account is decided in the transaction that writes it, by the row as it is then: between a request's
first look and that transaction a moderator may have taken the account down, or its owner may have deleted it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidSyntax, TempestError
from tempest_pds.protocol.syntax.datetime import normalise_datetime
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_account, add_identity, add_sync
from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import AccountNotFound, InvalidRequest, NotEnoughResources
from tempest_pds.services.identities import Identities
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.new_account import NewAccount
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sessions import Session
from tempest_pds.services.sign_up import SignUp
from tempest_pds.services.timestamps import now_us, to_datetime
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.key_files import KeyFiles, TooManyReserved

LEAST_DAYS: Final = 1
"""How long a deactivated account is kept at least, whatever its owner asked for."""
_DAY: Final = 24 * 3_600 * 1_000_000
_MAIL_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """How far an account's move to this server has come.

    Attributes:
        valid_did: its DID's document names this server and the key that this server signs with.
        blocks: of the repository: commit, nodes and records.
        expected_blobs: that records refer to.
        imported_blobs: that are here.
    """

    activated: bool
    valid_did: bool
    commit: CID
    rev: str
    blocks: int
    records: int
    expected_blobs: int
    imported_blobs: int


class Accounts:
    """Activate, deactivate and look at accounts.

    Args:
        writers: those who write to repositories, to be kept away while one is switched on.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        keys: KeyFiles,
        repositories: ActorStores,
        identities: Identities,
        announcer: Announcer,
        hooks: AccountHooks,
        sign_up: SignUp,
        writers: OpenRepos,
        outbox: CodeOutbox,
        texts: MailTexts,
        events: SecurityEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._repositories = repositories
        self._identities = identities
        self._announcer = announcer
        self._hooks = hooks
        self._sign_up = sign_up
        self._writers = writers
        self._outbox = outbox
        self._texts = texts
        self._events = events
        self._now = now

    async def create(self, new: NewAccount, requester: Did | None, origin: Origin = NOWHERE) -> Session:
        """Make an account and log it in; see `SignUp.create`."""
        return await self._sign_up.create(new, requester, origin)

    async def sign_up_mistakes(self, new: NewAccount) -> list[TempestError]:
        """List all that is wrong with a wish for an account; see `SignUp.mistakes`."""
        return await self._sign_up.mistakes(new)

    def find(self, did: Did) -> Account | None:
        """Find an account; None when it is not here."""
        return self._store.accounts.get(did)

    async def activate(self, did: Did, origin: Origin = NOWHERE) -> None:
        """Switch an account on, once its DID points here, and tell the network its state.

        Raises:
            AccountNotFound: no such account, or a moderator took it down.
            InvalidRequest: its DID does not point here.
            RemoteError: the PLC directory could not be asked.
            RepoBusy: its repository is being replaced.
        """
        _require(self._store.accounts.get(did))
        await self._identities.check_points_here(did)
        # Its writers, an import too, must come behind the state that is told here.
        async with self._writers.paused(did):
            account = await self._writer.run(self._store_activation, did, origin)
            await self._announcer.announce_pending()
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="activated")

    async def deactivate(self, did: Did, delete_after: str | None = None, origin: Origin = NOWHERE) -> str | None:
        """Switch an account off, and tell the network, and its owner by mail when it is to be deleted.

        Args:
            delete_after: a datetime to come. Deleting an account at once takes its password and a mailed code, and a
                session alone must not get around that: it is kept for `LEAST_DAYS` in any case.

        Returns:
            when it is to be deleted; None for never.

        Raises:
            AccountNotFound: no such account.
            InvalidRequest: `delete_after` is not a datetime, or past.
        """
        due = self._due(delete_after)
        account = await self._writer.run(self._store_deactivation, did, due, origin)
        self._outbox.stir()
        await self._announcer.announce_pending()
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="deactivated")
        return None if due is None else to_datetime(due)

    async def check_status(self, did: Did) -> AccountReport:
        """Tell how far a move to this server has come; raise AccountNotFound, RepoNotFound."""
        account = self._store.accounts.get(did)
        if account is None:
            raise AccountNotFound("Account not found")
        try:
            await self._identities.check_points_here(did)
            valid_did = True
        except (InvalidRequest, RemoteError):
            valid_did = False
        # The counts read the whole file.
        return await asyncio.to_thread(self._count, account, valid_did)

    async def reserve_signing_key(self, did: str | None) -> str:
        """Give the did:key of a key for an account to come; the same DID gets the same key again.

        Raises NotEnoughResources while thousands wait for accounts that did not come.
        """
        try:
            return (await self._writer.run(self._keys.reserve_key, did)).public.did_key
        except TooManyReserved as error:
            raise NotEnoughResources("Too many keys are reserved, try again later") from error

    def _due(self, delete_after: str | None) -> int | None:
        if delete_after is None:
            return None
        try:
            asked = normalise_datetime(delete_after).millis * 1000
        except InvalidSyntax as error:
            raise InvalidRequest("Input/deleteAfter must be a valid datetime") from error
        now = self._now()
        if asked <= now:
            raise InvalidRequest("deleteAfter must be in the future")
        return max(asked, now + LEAST_DAYS * _DAY)

    def _count(self, account: Account, valid_did: bool) -> AccountReport:
        with self._open(account.did) as store:
            root = store.root()
            if root is None:
                raise RepoNotFound(f"Could not find repo for DID: {account.did}")
            return AccountReport(
                activated=not account.is_deactivated,
                valid_did=valid_did,
                commit=root.commit,
                rev=root.rev,
                blocks=store.block_count(),
                records=store.record_count(),
                expected_blobs=store.blobs.count_expected(),
                imported_blobs=store.blobs.count_stored(),
            )

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._repositories.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error

    # In the thread that writes accounts

    def _store_activation(self, did: Did, origin: Origin) -> Account:
        store = self._store
        with store.transaction():
            before = _require(store.accounts.get(did))
            store.accounts.activate(did)
            self._events.add(did, EventKind.ACTIVATED, origin)
            account = store.accounts.get(did) or before
            add_account(store, did, None if account.is_active else account.status)
            add_identity(store, did, account.handle)
            with self._open(did) as repository:
                root = repository.root()
            if root is not None:
                add_sync(store, did, root.rev, root.commit, root.commit_block)
        return account

    def _store_deactivation(self, did: Did, due: int | None, origin: Origin) -> Account:
        store = self._store
        with store.transaction():
            store.accounts.deactivate(did, self._now(), due)
            account = store.accounts.get(did)
            if account is None:
                raise AccountNotFound("Account not found")
            detail = {} if due is None else {"delete_after": to_datetime(due)}
            self._events.add(did, EventKind.DEACTIVATED, origin, **detail)
            # What hides a deactivation is told instead of it.
            add_account(store, did, account.status)
            if due is not None and account.email is not None:
                self._outbox.add(self._texts.deletion_planned(account, due), _MAIL_SECONDS)
        return account


def _require(account: Account | None) -> Account:
    if account is None or account.is_takendown:
        raise AccountNotFound("user not found")
    return account
