"""Making an account: com.atproto.server.createAccount.

The order is one that a crash at any point leaves harmless: the key, the repository's file, the DID, and last the
account's row with its first session and its events, in one transaction. Until that row is there, nothing refers to the
rest, and a second attempt starts afresh. A DID that was made for an attempt that failed is ended again.

An account that brings its DID along proves that with a service token of that DID, signed by its present server, and is
born deactivated: what it was is still there, and here nobody is told of it before it is activated.

An e-mail address is nothing that a new account could be refused for: several may have one until somebody confirms it,
and whether somebody has is not for strangers to know.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.errors import InvalidSyntax, TempestError
from tempest_pds.protocol.identity.did_web import did_web_for
from tempest_pds.protocol.identity.plc_operation import Operation, did_for_genesis, genesis, tombstone
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import OperationRefused, RemoteError
from tempest_pds.remote.plc_directory import Plc
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.address_notices import AddressNotices
from tempest_pds.services.announcer import Announcer, add_account, add_first_commit, add_identity, add_sync
from tempest_pds.services.errors import (
    AlreadyExists,
    AuthenticationRequired,
    HandleNotAvailable,
    InvalidInviteCode,
    InvalidRequest,
    UnsupportedDomain,
)
from tempest_pds.services.identities import Identities
from tempest_pds.services.invites import Invites
from tempest_pds.services.new_account import NewAccount, SignUpRules
from tempest_pds.services.new_repositories import FirstCommit, create_repository
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.password_rules import check_new_password
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sessions import Session, Sessions
from tempest_pds.services.timestamps import now_us
from tempest_pds.services.tokens import TokenPair
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, AccountExists, HandleTaken
from tempest_pds.stores.account.invite_codes import InviteCodeUnavailable
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles

_log = structlog.get_logger("tempest_pds.sign_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applicant:
    """A request that passed every check."""

    handle: Handle
    email: str
    password: str
    did: Did | None
    invite_code: str | None
    recovery_key: str | None


class SignUp:
    """Make accounts.

    Args:
        revs: gives the revision of a first commit.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        keys: KeyFiles,
        repositories: ActorStores,
        plc: Plc,
        dids: DidResolver,
        identities: Identities,
        sessions: Sessions,
        passwords: Passwords,
        invites: Invites,
        announcer: Announcer,
        notices: AddressNotices,
        events: SecurityEvents,
        hooks: AccountHooks,
        revs: TidClock,
        rules: SignUpRules,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._repositories = repositories
        self._plc = plc
        self._dids = dids
        self._identities = identities
        self._sessions = sessions
        self._passwords = passwords
        self._invites = invites
        self._announcer = announcer
        self._notices = notices
        self._events = events
        self._hooks = hooks
        self._revs = revs
        self._rules = rules
        self._now = now
        self._claimed: set[Did] = set()

    async def create(self, new: NewAccount, requester: Did | None, origin: Origin = NOWHERE) -> Session:
        """Make an account and log it in.

        Args:
            requester: the DID that a service token proved, if one came along.

        Raises:
            InvalidRequest: one of its kinds: InvalidHandle, HandleNotAvailable, UnsupportedDomain, InvalidPassword,
                InvalidInviteCode, AlreadyExists.
            AuthenticationRequired: the DID that was brought along is not proven.
            RemoteError: the PLC directory could not be asked.
        """
        applicant = await self._check(new, requester, origin.client_ip)
        with self._identities.claim_handle(applicant.handle), self._claim(applicant):
            return await self._create(applicant, origin)

    async def mistakes(self, new: NewAccount) -> list[TempestError]:
        """List all that is wrong with what somebody has filled in who wants a new account, where `create` tells one."""
        found: list[TempestError] = []
        for check in (self._check_password, self._check_invite_code, self._check_email):
            try:
                check(new)
            except TempestError as error:
                found.append(error)
        try:
            self._check_free(await self._identities.check_handle(new.handle, None), None)
        except TempestError as error:
            found.append(error)
        return found

    def is_taken(self, handle: Handle) -> bool:
        """Tell whether an account keeps a new one from having this handle."""
        named_by = self._named_by(handle)
        return bool(self._store.accounts.by_handle(handle) or (named_by and self._store.accounts.get(named_by)))

    def _named_by(self, handle: Handle) -> Did | None:
        """Give the DID that a new account gets by its handle, which keeps the name whatever handle it has later."""
        return did_web_for(handle) if self._rules.did_method == "web" else None

    async def _check(self, new: NewAccount, requester: Did | None, client_ip: str | None) -> _Applicant:
        password = self._check_password(new)
        if self._rules.invite_required and not new.invite_code:
            raise InvalidInviteCode("No invite code provided")
        email = self._check_email(new)
        did = _parse_own_did(new.did, requester)
        handle = await self._identities.check_handle(new.handle, did)
        self._check_invite_code(new)
        named_by = self._check_free(handle, did)
        if did is not None and self._store.accounts.get(did) is not None:
            raise AlreadyExists("Repo already exists")
        coming = did or named_by
        if coming is not None and self._store.account_deletions.get(coming) is not None:
            raise InvalidRequest("The account that this DID had here is still being deleted. Try again later.")
        refusal = self._hooks.first_refusal(
            "check_sign_up",
            handle=str(handle),
            email=email,
            invite_code=new.invite_code,
            client_ip=client_ip,
        )
        if refusal is not None:
            raise InvalidRequest(refusal)
        return _Applicant(
            handle=handle,
            email=email,
            password=password,
            did=did,
            invite_code=new.invite_code or None,
            recovery_key=_parse_recovery_key(new.recovery_key),
        )

    def _check_password(self, new: NewAccount) -> str:
        return check_new_password(new.password, self._rules.min_password_length)

    def _check_email(self, new: NewAccount) -> str:
        if not new.email:
            raise InvalidRequest("Email is required")
        return self._rules.emails.parse(new.email)

    def _check_invite_code(self, new: NewAccount) -> None:
        if new.invite_code:
            self._invites.check(new.invite_code)
        elif self._rules.invite_required:
            raise InvalidInviteCode("No invite code provided")

    def _check_free(self, handle: Handle, did: Did | None) -> Did | None:
        """Give the DID that a new account gets by its handle, unless another has the one or the other."""
        named_by = self._named_by(handle) if did is None else None
        if self._store.accounts.by_handle(handle) or (named_by and self._store.accounts.get(named_by)):
            raise HandleNotAvailable(f"Handle already taken: {handle}")
        return named_by

    @contextmanager
    def _claim(self, applicant: _Applicant) -> Iterator[None]:
        """Keep two requests for one DID from both making a repository before one of them fails."""
        did = applicant.did
        if did in self._claimed:
            raise AlreadyExists("Repo already exists")
        claimed = set() if did is None else {did}
        self._claimed |= claimed
        try:
            yield
        finally:
            self._claimed -= claimed

    async def _create(self, applicant: _Applicant, origin: Origin) -> Session:
        password_hash = await self._passwords.hash(applicant.password)
        key, did, operation = self._make_did(applicant)
        first = await self._writer.run(self._store_repository, did, key, self._revs.next())
        published = False
        try:
            if operation is not None:
                await self._publish(did, operation)
                published = True
            account = Account(
                did=did,
                handle=applicant.handle,
                created_at=(now := self._now()),
                email=applicant.email,
                password_hash=password_hash,
                deactivated_at=None if applicant.did is None else now,
            )
            tokens = await self._writer.run(self._store_account, account, first, applicant.invite_code, origin)
        except BaseException:
            await self._undo(did, operation if published else None)
            raise
        await self._announcer.announce_pending()
        self._dids.forget(did)
        if applicant.did is not None:
            await self._writer.run(self._keys.release_reserved_key, key.public.did_key, did)
        self._notices.consider(account)
        self._hooks.notify("account_changed", did=str(did), handle=str(account.handle), change="created")
        return Session(account, await self._sessions.document(did), tokens)

    def _make_did(self, applicant: _Applicant) -> tuple[PrivateKey, Did, Operation | None]:
        if applicant.did is not None:
            return self._keys.reserved_key_for(applicant.did) or generate_k256(), applicant.did, None
        key = generate_k256()
        if self._rules.did_method == "web":
            return key, did_web_for(applicant.handle), None
        rotation_key = self._keys.rotation_key()
        rotation_keys = [applicant.recovery_key, self._rules.operator_key, rotation_key.public.did_key]
        operation = genesis(
            handle=applicant.handle,
            signing_key=key.public.did_key,
            pds_url=self._rules.public_url,
            rotation_keys=list(dict.fromkeys(name for name in rotation_keys if name is not None)),
            signer=rotation_key,
        )
        return key, did_for_genesis(operation), operation

    async def _publish(self, did: Did, operation: Operation) -> None:
        try:
            await self._plc.submit(did, operation)
        except OperationRefused:
            raise
        except RemoteError as error:
            # Should the directory have taken it, this DID leads to no account; another attempt makes another DID.
            _log.warning("sign_up.did_left_behind", did=did, error=str(error))
            raise

    # In the thread that writes accounts

    def _store_repository(self, did: Did, key: PrivateKey, rev: Tid) -> FirstCommit:
        if self._store.accounts.get(did) is not None:
            raise AlreadyExists("Repo already exists")
        # What an attempt left behind that did not come to an end.
        self._repositories.delete(did)
        self._keys.put_signing_key(did, key, replace=True)
        return create_repository(self._repositories, did, key, rev)

    def _store_account(
        self, account: Account, first: FirstCommit, invite_code: str | None, origin: Origin
    ) -> TokenPair:
        store, did = self._store, account.did
        try:
            with store.transaction():
                store.accounts.create(account)
                self._events.add(did, EventKind.ACCOUNT_CREATED, origin)
                if invite_code is not None:
                    store.invite_codes.use(invite_code, did, account.created_at)
                store.repo_heads.put_many([(did, first.commit, first.rev)])
                if account.is_active:
                    add_identity(store, did, account.handle)
                    add_account(store, did, None)
                    add_first_commit(store, first)
                    add_sync(store, did, first.rev, first.commit, first.commit_block)
                return self._sessions.open_first(did, origin)
        except HandleTaken as error:
            raise HandleNotAvailable(f"Handle already taken: {account.handle}") from error
        except AccountExists as error:
            raise AlreadyExists("Repo already exists") from error
        except InviteCodeUnavailable as error:
            raise InvalidInviteCode("Provided invite code not available") from error

    async def _undo(self, did: Did, published: Operation | None) -> None:
        """Clear away an attempt that failed, as far as that goes; what stays is never looked at again.

        Who was cancelled may have an account all the same, as its transaction is finished in any case.
        """
        try:
            if not await self._writer.run(self._remove, did):
                return
        except (TempestError, OSError) as error:
            _log.warning("sign_up.files_left_behind", did=did, error=str(error))
        if published is not None:
            try:
                await self._plc.submit(did, tombstone(published, self._keys.rotation_key()))
            except (RemoteError, TempestError) as error:
                _log.warning("sign_up.did_left_behind", did=did, error=str(error))

    def _remove(self, did: Did) -> bool:
        """Remove what was made for an account; tell whether there is none."""
        if self._store.accounts.get(did) is not None:
            return False
        self._repositories.delete(did)
        self._keys.delete_signing_key(did)
        return True


def _parse_own_did(text: str | None, requester: Did | None) -> Did | None:
    if text is None:
        return None
    try:
        did = Did.parse(text)
    except InvalidSyntax as error:
        raise InvalidRequest("Input/did must be a valid did") from error
    if did != requester:
        raise AuthenticationRequired(f"Missing auth to create account with did: {did}")
    if did.method not in ("plc", "web"):
        raise UnsupportedDomain("Only did:plc and did:web are hosted")
    return did


def _parse_recovery_key(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse_did_key(text).did_key
    except InvalidSyntax as error:
        raise InvalidRequest("Input/recoveryKey must be a did:key") from error
