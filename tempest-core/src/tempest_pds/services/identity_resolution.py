"""Who is who: com.atproto.identity.resolveHandle, resolveDid, resolveIdentity and refreshIdentity.

Whom are these answered for? For everybody, logged in or not. Accounts of this server are what the methods are there
for: nobody knows better which handle one has, and which document. For the identities of others, the reference server
has none of the last three, and to pass them on to the AppView would be no help, for that has none of them either; but
resolving is what this server does all day for service tokens and proxying. So it answers, from the same caches. A
client that wants another directory's word names it in `atproto-proxy`, and is passed on.

A stranger can make the server ask at most these: one TXT record, one small page of a host (three more if it redirects),
one document of the PLC directory or of a host, through the guarded fetch, each within five seconds. Questions at the
same time are asked once, answers and their absence are remembered, `MAX_OUTSIDE` bounds how many are under way for all
strangers together, and the methods have limits by address. What went wrong out there is not told: whether a name
inside our network exists is no stranger's business.

A handle counts when it leads to the DID, and the DID's document names it first. Under our own domains the accounts here
say where a handle leads, and for all others DNS and their hosts do, also for accounts here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import INVALID_HANDLE, Handle
from tempest_pds.remote import errors as remote
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.services.errors import (
    DidDeactivated,
    DidNotFound,
    HandleNotFound,
    InvalidHandle,
    UpstreamFailure,
)
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.outside_questions import OutsideQuestions
from tempest_pds.stores.account.account_store import AccountStore

MAX_OUTSIDE: Final = 64
"""Questions to other servers that strangers may have under way at one time."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A DID with its document, and the handle that was verified both ways, or `handle.invalid`."""

    did: Did
    handle: str
    document: Mapping[str, Any]


class IdentityResolution:
    """Resolve handles and DIDs for whoever asks."""

    def __init__(self, store: AccountStore, dids: DidResolver, handles: HandleResolver, rules: HandleRules) -> None:
        self._store = store
        self._dids = dids
        self._handles = handles
        self._rules = rules
        self._outside = OutsideQuestions(MAX_OUTSIDE, "identities")

    async def resolve_handle(self, text: str) -> Did:
        """Find the DID that a handle leads to: an account here, or anybody's.

        The server's own word on an account is enough here, as it is for the reference server: a client that logs in by
        a handle must not fail because its domain's name server does.

        Raises:
            InvalidHandle: it is not a handle.
            HandleNotFound: it leads nowhere, or nobody could be asked.
        """
        try:
            handle = Handle.parse(text)
        except InvalidSyntax as error:
            raise InvalidHandle("Input/handle must be a valid handle") from error
        account = self._store.accounts.by_handle(handle)
        if account is not None and account.is_active:
            return account.did
        try:
            return await self._lead(handle)
        except UpstreamFailure as error:
            raise HandleNotFound("Unable to resolve handle") from error

    async def resolve_did(self, did: Did) -> Mapping[str, Any]:
        """Give a DID's document; whether its handle leads back is not looked at.

        Raises:
            DidNotFound: there is no such DID, or it is of a method that this network has not.
            DidDeactivated: there was one.
            UpstreamFailure: it cannot be had now.
        """
        return (await self._document(did)).json

    async def resolve_identity(self, identifier: str) -> Identity:
        """Give the whole identity of a DID or handle.

        The handle in the answer is the one that its document names, so that whoever asked by another sees that it is
        not this account's.

        Raises:
            HandleNotFound: the handle leads to no DID.
            DidNotFound, DidDeactivated, UpstreamFailure: as for `resolve_did`.
        """
        did = await self._did(identifier)
        document = await self._document(did)
        return Identity(did, await self._verified_handle(document), document.json)

    async def refresh(self, identifier: str) -> Identity:
        """Ask anew about a DID or handle, and give the identity; raise as the above.

        The answers are remembered for the whole server: sessions, proxying and service tokens see the new as well.
        Where nobody answers, what was known before stays known: else any stranger could turn an outage of the directory
        into one of this server.
        """
        did = await self._did(identifier, fresh=True)
        document = await self._document(did, fresh=True)
        account = self._store.accounts.get(did)
        if account is not None and account.handle is not None and account.handle != document.handle:
            self._handles.forget(account.handle)
        handle = await self._verified_handle(document, fresh=document.handle != identifier.lower())
        return Identity(did, handle, document.json)

    async def _did(self, identifier: str, *, fresh: bool = False) -> Did:
        if identifier.startswith("did:"):
            return Did.parse(identifier)
        return await self._lead(Handle.parse(identifier), fresh=fresh)

    async def _lead(self, handle: Handle, *, fresh: bool = False) -> Did:
        """Find where a handle leads; `fresh` asks in any case."""
        if self._rules.is_ours(handle):
            account = self._store.accounts.by_handle(handle)
            if account is None or not account.is_active:
                raise HandleNotFound("Unable to resolve handle")
            return account.did
        try:
            async with self._outside.asking(known=not fresh and self._handles.knows(handle)):
                return await self._handles.resolve(handle, refresh=fresh)
        except remote.NotFound as error:
            raise HandleNotFound("Unable to resolve handle") from error
        except remote.RemoteError as error:
            raise UpstreamFailure("Unable to resolve handle, try again later") from error

    async def _document(self, did: Did, *, fresh: bool = False) -> DidDocument:
        hosted = self._store.accounts.get(did) is not None
        try:
            async with self._outside.asking(known=hosted or (not fresh and self._dids.knows(did))):
                return await self._dids.resolve(did, max_age=0 if fresh else None)
        except remote.DidDeactivated as error:
            raise DidDeactivated(f"DID was deactivated: {did}") from error
        except remote.NotFound as error:
            raise DidNotFound(f"Could not find DID: {did}") from error
        except remote.RemoteError as error:
            raise UpstreamFailure("Unable to resolve DID, try again later") from error

    async def _verified_handle(self, document: DidDocument, *, fresh: bool = False) -> str:
        handle = document.handle
        if handle is None:
            return INVALID_HANDLE
        try:
            return handle if await self._lead(handle, fresh=fresh) == document.did else INVALID_HANDLE
        except (HandleNotFound, UpstreamFailure):
            return INVALID_HANDLE
