"""Handles and DIDs of the accounts here: com.atproto.identity.*, and what sign-up and activation need of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.identity.did_web import did_web_for
from tempest_pds.protocol.identity.plc_operation import InvalidOperation, Operation, is_tombstone, normalize, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import NotFound, OperationRefused, RemoteError
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.plc_directory import Plc
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_identity
from tempest_pds.services.errors import (
    HandleNotAvailable,
    InvalidRequest,
    UnresolvableDid,
    UnsupportedDomain,
)
from tempest_pds.services.finishing import finish
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.plc_rules import check_may_change
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.key_files import KeyFiles

_log = structlog.get_logger("tempest_pds.identities")


class HandleNotProved(InvalidRequest):
    """A domain that does not lead to the account that wants it; clients know it as InvalidRequest."""

    name = "InvalidRequest"


class Identities:
    """Check and change handles; check that a DID points here.

    Args:
        public_url: the origin of this server, as DID documents must name it.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        keys: KeyFiles,
        plc: Plc,
        dids: DidResolver,
        handles: HandleResolver,
        rules: HandleRules,
        documents: HostedDocuments,
        announcer: Announcer,
        hooks: AccountHooks,
        events: SecurityEvents,
        notices: OwnerNotices,
        public_url: str,
    ) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._plc = plc
        self._dids = dids
        self._handles = handles
        self._rules = rules
        self._documents = documents
        self._announcer = announcer
        self._hooks = hooks
        self._events = events
        self._notices = notices
        self._public_url = public_url
        self._claimed: set[Handle] = set()

    # Handles

    async def check_handle(self, text: str, did: Did | None, *, allow_reserved: bool = False) -> Handle:
        """Check a handle that an account is to get.

        Args:
            did: of the account; None while it has none, and can only get a handle of ours.
            allow_reserved: whether it may be a name that is kept from users; the administrator gives those away.

        Raises:
            InvalidHandle, HandleNotAvailable: see `HandleRules.parse`.
            UnsupportedDomain: it is not ours to give.
            HandleNotProved: it is somebody's own domain, and does not lead to this DID.
        """
        handle = self._rules.parse(text, allow_reserved=allow_reserved)
        if not allow_reserved and handle in self._store.reserved_handles:
            raise HandleNotAvailable("Reserved handle")
        if self._rules.is_hosted(handle):
            # A did:web keeps the name that it was made from, whatever handle its account has by now.
            if did != (named_by := did_web_for(handle)) and self._store.accounts.get(named_by) is not None:
                raise HandleNotAvailable(f"Handle already taken: {handle}")
            return handle
        if did is None:
            raise UnsupportedDomain("Not a supported handle domain")
        try:
            resolved = await self._handles.resolve(handle, refresh=True)
        except RemoteError as error:
            raise _not_proved(handle, did) from error
        if resolved != did:
            raise _not_proved(handle, did)
        return handle

    @contextmanager
    def claim_handle(self, handle: Handle) -> Iterator[None]:
        """Keep others from getting a handle while one account does: two DIDs would name it before one of them fails.

        Raises HandleNotAvailable when another is at it already.
        """
        if handle in self._claimed:
            raise HandleNotAvailable(f"Handle already taken: {handle}")
        self._claimed.add(handle)
        try:
            yield
        finally:
            self._claimed.discard(handle)

    async def update_handle(
        self, did: Did, text: str, *, allow_reserved: bool = False, origin: Origin = NOWHERE
    ) -> None:
        """Give an account another handle; the same one again makes the network look anew.

        A hosted handle belongs to the account that has it, and is free as soon as that has another. A handle of a
        domain of one's own belongs to whoever its domain names: an account here that had it loses it.

        Args:
            allow_reserved: as for `check_handle`.

        Raises:
            InvalidRequest: one of its kinds; see `check_handle`.
            RemoteError: the PLC directory, or the host of a did:web, could not be asked.
        """
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest("Account not found")
        # What an account has, it may keep: the administrator may have given it a reserved name.
        is_same = account.handle == text.lower()
        handle = await self.check_handle(text, did, allow_reserved=allow_reserved or is_same)
        # The client may go away meanwhile, but what the directory took has to be noted and told.
        await finish(self._change_handle(did, handle, origin))

    async def _change_handle(self, did: Did, handle: Handle, origin: Origin) -> None:
        with self.claim_handle(handle):
            self._find_loser(did, handle)
            if did.method == "plc":
                await self._publish_handle(did, handle)
            elif self._documents.document(did) is None:
                await self._require_handle(did, handle)
            # Should this fail, the DID's document is ahead of us, and calling again mends it.
            loser = await self._writer.run(self._store_handle, did, handle, origin)
        self._notices.stir()
        await self._announcer.announce_pending()
        if loser is not None:
            self._hooks.notify("account_changed", did=str(loser), handle=None, change="handle")
        self._hooks.notify("account_changed", did=str(did), handle=str(handle), change="handle")

    async def _publish_handle(self, did: Did, handle: Handle) -> None:
        """Put a handle into a did:plc, unless its owner did that before."""
        try:
            last = await self._plc.last_operation(did)
            if _named_handle(last) == handle:
                return
            operation = update(last, self._handle_signer(last, handle), handle=handle)
            await self._plc.submit(did, operation)
        except (NotFound, OperationRefused, InvalidOperation) as error:
            raise InvalidRequest(f"The DID's operation was not taken: {error}") from error
        finally:
            self._dids.forget(did)

    def _handle_signer(self, last: Operation, handle: Handle) -> PrivateKey:
        key = self._keys.rotation_key()
        try:
            check_may_change(last, key)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"{error}: this server cannot put the handle into the DID. Sign a PLC operation with at://{handle} as "
                "the first of alsoKnownAs with a rotation key of yours, send it to the directory, and ask again"
            ) from error
        return key

    async def _require_handle(self, did: Did, handle: Handle) -> None:
        """Pass if the document of a did:web that is hosted elsewhere names a handle; nobody here could put it there."""
        try:
            document = await self._dids.resolve(did, max_age=0)
        except NotFound as error:
            raise InvalidRequest("DID is not properly configured for handle: it has no document") from error
        if document.handle != handle:
            raise InvalidRequest("DID is not properly configured for handle")

    def _store_handle(self, did: Did, handle: Handle, origin: Origin) -> Did | None:
        """Note the handle and its events, and give the account that it was taken from."""
        with self._store.transaction():
            loser = self._find_loser(did, handle)
            if loser is not None:
                self._store.accounts.set_handle(loser, None)
                self._events.add(loser, EventKind.HANDLE_LOST, handle=handle)
                add_identity(self._store, loser, None)
            account = self._store.accounts.get(did)
            if account is None:
                # Deleted meanwhile: nothing may be told behind that.
                raise InvalidRequest("Account not found")
            self._store.accounts.set_handle(did, handle)
            self._notices.handle_changed(account, handle, origin)
            add_identity(self._store, did, handle)
        return loser

    def _find_loser(self, did: Did, handle: Handle) -> Did | None:
        """Give the account that has a handle which another may take; raise HandleNotAvailable when it may not."""
        existing = self._store.accounts.by_handle(handle)
        if existing is None or existing.did == did:
            return None
        if self._rules.is_hosted(handle):
            raise HandleNotAvailable(f"Handle already taken: {handle}")
        return existing.did

    # DIDs

    async def check_points_here(self, did: Did) -> None:
        """Pass if a DID's document names this server and the account's key; who may change it is its owner's affair.

        Raises:
            InvalidRequest: it does not; the text says what is wrong.
            UnresolvableDid: there is no such DID any more, or its owner's own server does not give its document.
            RemoteError: the PLC directory could not be asked.
        """
        if did.method == "plc":
            endpoint, key = await self._plc_facts(did)
        else:
            try:
                document = await self._dids.resolve(did, max_age=0)
            except (RemoteError, ProtocolError) as error:
                _log.warning("identity.unresolvable", did=did, error=str(error))
                raise UnresolvableDid("Could not resolve DID") from error
            endpoint, key = document.pds_endpoint, document.signing_key
        if endpoint is None or endpoint.rstrip("/") != self._public_url.rstrip("/"):
            raise InvalidRequest("DID document atproto_pds service endpoint does not match PDS public url")
        if key is None or key != self._keys.signing_key(did).public.did_key:
            raise InvalidRequest("DID document verification method does not match expected signing key")

    async def _plc_facts(self, did: Did) -> tuple[str | None, str | None]:
        try:
            last = await self._plc.last_operation(did)
        except NotFound as error:
            raise UnresolvableDid("Could not resolve DID") from error
        # The document that sessions hand out may be older: an account that moved here would be sent back with it.
        self._dids.forget(did)
        if is_tombstone(last):
            raise UnresolvableDid("Did is tombstoned")
        normal = normalize(last)
        service = normal["services"].get("atproto_pds", {})
        return service.get("endpoint"), normal["verificationMethods"].get("atproto")


def _named_handle(operation: Operation) -> str | None:
    """Return the first handle of an operation, as `DidDocument.handle` will have it; None when there is none."""
    names = normalize(operation).get("alsoKnownAs", [])
    return next((name.removeprefix("at://").lower() for name in names if name.startswith("at://")), None)


def _not_proved(handle: Handle, did: Did) -> HandleNotProved:
    # The first words are the reference server's; the others are for whoever has set up a domain, and not all of it.
    return HandleNotProved(
        f"External handle did not resolve to DID: put did={did} into a TXT record of _atproto.{handle}, or serve {did} "
        f"at https://{handle}/.well-known/atproto-did"
    )
