"""An account's coming and going: activateAccount, deactivateAccount, checkAccountStatus, reserveSigningKey."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.datetime import normalise_datetime
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_account, add_identity, add_sync
from tempest_pds.services.errors import AccountNotFound, InvalidRequest, NotEnoughResources
from tempest_pds.services.identities import Identities
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.sessions import Session
from tempest_pds.services.sign_up import NewAccount, SignUp
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.key_files import KeyFiles, TooManyReserved


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
        self._now = now

    async def create(self, new: NewAccount, requester: Did | None, client_ip: str | None = None) -> Session:
        """Make an account and log it in; see `SignUp.create`."""
        return await self._sign_up.create(new, requester, client_ip)

    async def activate(self, did: Did) -> None:
        """Switch an account on, once its DID points here, and tell the network its state.

        Raises:
            AccountNotFound: no such account, or a moderator took it down.
            InvalidRequest: its DID does not point here.
            RemoteError: the PLC directory could not be asked.
        """
        account = self._find(did)
        await self._identities.check_points_here(did)
        await self._writer.run(self._store_activation, account)
        await self._announcer.announce_pending()
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="activated")

    async def deactivate(self, did: Did, delete_after: str | None = None) -> None:
        """Switch an account off, and tell the network.

        Args:
            delete_after: a datetime, kept with the account; nothing is deleted before it.

        Raises:
            AccountNotFound: no such account.
            InvalidRequest: `delete_after` is not a datetime.
        """
        account = self._store.accounts.get(did)
        if account is None:
            raise AccountNotFound("Account not found")
        await self._writer.run(self._store_deactivation, account, _to_micros(delete_after))
        await self._announcer.announce_pending()
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="deactivated")

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

    def _find(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None or account.is_takendown:
            raise AccountNotFound("user not found")
        return account

    def _count(self, account: Account, valid_did: bool) -> AccountReport:
        try:
            store = self._repositories.open(account.did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {account.did}") from error
        with store:
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

    # In the thread that writes accounts

    def _store_activation(self, account: Account) -> None:
        store, did = self._store, account.did
        with self._repositories.open(did) as repository:
            root = repository.root()
        with store.transaction():
            store.accounts.activate(did)
            changed = store.accounts.get(did) or account
            add_account(store, did, None if changed.is_active else changed.status)
            add_identity(store, did, account.handle)
            if root is not None:
                add_sync(store, did, root.rev, root.commit, root.commit_block)

    def _store_deactivation(self, account: Account, delete_after: int | None) -> None:
        store, did = self._store, account.did
        with store.transaction():
            store.accounts.deactivate(did, self._now(), delete_after)
            # What hides a deactivation is told instead of it.
            add_account(store, did, "deactivated" if account.is_active else account.status)


def _to_micros(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return normalise_datetime(text).millis * 1000
    except InvalidSyntax as error:
        raise InvalidRequest("Input/deleteAfter must be a valid datetime") from error
