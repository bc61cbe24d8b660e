"""The owner's own operations on his did:plc: com.atproto.identity.*PlcOperation* and getRecommendedDidCredentials.

An operation is signed here for whoever proves with a mailed code that he reads the account's mail; where it goes from
there is his affair, such as to the server that the account moves to. One that is handed in here must leave the account
working (`plc_rules`), wherever it was signed, and is published for him.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.identity.plc_operation import InvalidOperation, Operation, check_operation, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import NotFound, OperationRefused
from tempest_pds.remote.plc_directory import Plc
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_identity
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.finishing import finish
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.plc_rules import DidCredentials, check_keeps_account, check_may_change
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds.stores.key_files import KeyFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcChanges:
    """What an owner wants changed; a field that is None stays as it is, any other is replaced whole."""

    rotation_keys: list[str] | None = None
    also_known_as: list[str] | None = None
    verification_methods: Mapping[str, Any] | None = None
    services: Mapping[str, Any] | None = None

    @classmethod
    def from_input(cls, given: Mapping[str, Any]) -> Self:
        """Take the input of signPlcOperation, parsed by its lexicon."""
        return cls(
            rotation_keys=given.get("rotationKeys"),
            also_known_as=given.get("alsoKnownAs"),
            verification_methods=given.get("verificationMethods"),
            services=given.get("services"),
        )


class PlcOperations:
    """Recommend, sign and publish operations on the DIDs of accounts here.

    Args:
        public_url: the origin of this server, as DIDs name it.
        operator_key: a did:key that the operator recommends above the server's own.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        keys: KeyFiles,
        plc: Plc,
        dids: DidResolver,
        email_codes: EmailCodes,
        announcer: Announcer,
        hooks: AccountHooks,
        events: SecurityEvents,
        public_url: str,
        operator_key: str | None = None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._plc = plc
        self._dids = dids
        self._email_codes = email_codes
        self._announcer = announcer
        self._hooks = hooks
        self._events = events
        self._public_url = public_url
        self._operator_key = operator_key

    def recommend(self, did: Did) -> DidCredentials:
        """Tell what an account's DID should say while it lives here, whatever its method; raise InvalidRequest."""
        return self._credentials(self._account(did))

    async def request_signature(self, did: Did) -> None:
        """Mail the code that `sign` asks for.

        Raises:
            InvalidRequest: no such account, it has no e-mail address, or its DID is no did:plc.
        """
        account = self._account(did)
        _check_is_plc(did)
        await self._email_codes.send(account, EmailTokenPurpose.PLC_OPERATION)

    async def sign(self, did: Did, code: str | None, changes: PlcChanges, origin: Origin = NOWHERE) -> Operation:
        """Sign the operation that follows the one in force; nothing is published.

        The code is used up only when this succeeds: who mistook himself in a field needs no other.

        Raises:
            InvalidToken, ExpiredToken: the code is not good, or not any more.
            InvalidRequest: there is no code, the changes make no operation, or this server may not change the DID.
            RemoteError: the PLC directory could not be asked.
        """
        _check_is_plc(did)
        if not code:
            raise InvalidRequest("email confirmation token required to sign PLC operations")
        self._email_codes.check(did, EmailTokenPurpose.PLC_OPERATION, code)
        try:
            last = await self._plc.last_operation(did)
        except NotFound as error:
            raise InvalidRequest(str(error)) from error
        key = self._keys.rotation_key()
        check_may_change(last, key)
        operation = update(
            last,
            key,
            rotation_keys=changes.rotation_keys,
            also_known_as=changes.also_known_as,
            verification_methods=changes.verification_methods,
            services=changes.services,
        )
        await self._writer.run(self._use_code, did, code, origin)
        return operation

    async def submit(self, did: Did, operation: Mapping[str, Any], origin: Origin = NOWHERE) -> None:
        """Publish a signed operation, and tell the network to look anew. May be repeated: what is in force is no error.

        Raises:
            InvalidRequest: it is no operation, would break the account, or is refused by the PLC directory.
            RemoteError: it is not known whether the directory took it.
        """
        account = self._account(did)
        _check_is_plc(did)
        # The directory takes plain JSON: a link or bytes are none there, whoever signed them.
        if operation.get("type") != "plc_operation" or lex_json.to_json(dict(operation)) != operation:
            raise InvalidRequest("Invalid operation")
        try:
            checked = check_operation(dict(operation))
        except InvalidOperation as error:
            raise InvalidRequest(f"Invalid operation: {error}") from error
        check_keeps_account(checked, self._credentials(account))
        # Its owner may go away meanwhile, but what the directory took has to be told.
        await finish(self._publish(did, checked, origin))

    async def _publish(self, did: Did, operation: Operation, origin: Origin) -> None:
        try:
            await self._plc.submit(did, operation)
        except OperationRefused as error:
            raise InvalidRequest(str(error)) from error
        self._dids.forget(did)
        account = await self._writer.run(self._store_event, did, origin)
        await self._announcer.announce_pending()
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="identity")

    def _account(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest("account not found")
        return account

    def _credentials(self, account: Account) -> DidCredentials:
        return DidCredentials(
            server_key=self._keys.rotation_key().public.did_key,
            operator_key=self._operator_key,
            signing_key=self._keys.signing_key(account.did).public.did_key,
            public_url=self._public_url,
            handle=account.handle,
        )

    # In the thread that writes accounts

    def _use_code(self, did: Did, code: str, origin: Origin) -> None:
        with self._store.transaction():
            self._email_codes.use(did, EmailTokenPurpose.PLC_OPERATION, code)
            self._events.add(did, EventKind.PLC_OPERATION_SIGNED, origin)

    def _store_event(self, did: Did, origin: Origin) -> Account:
        with self._store.transaction():
            # While the directory was asked it may have been deleted, behind which nothing is told, or renamed.
            account = self._account(did)
            self._events.add(did, EventKind.PLC_OPERATION, origin)
            add_identity(self._store, did, account.handle)
        return account


def _check_is_plc(did: Did) -> None:
    if did.method != "plc":
        raise InvalidRequest(f"Only a did:plc is changed by PLC operations; what {did} says is in its document")
