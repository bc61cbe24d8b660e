"""Which account it is: from what the owner typed to a DID, its document, and the operation in force."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.patience import Patience
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.errors import InvalidSyntax, ProtocolError
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_log import last_for
from tempest_pds.protocol.identity.plc_operation import is_tombstone, normalize, state_after, to_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.causes import explain
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidDeactivated, DidNotFound, NotFound, RemoteError, TimedOut, Unreachable
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.name_servers import NameServers
from tempest_pds.remote.plc_directory import PlcDirectory
from tempest_pds.remote.safe_fetch import SafeFetch


class Identities:
    """Look identities up, each time anew.

    Args:
        plc_url: the directory.
        key: the owner's rotation key, which for 72 hours may undo what weaker ones did.
    """

    def __init__(self, fetch: SafeFetch, plc_url: str, patience: Patience, key: PrivateKey | None = None) -> None:
        self.plc = PlcDirectory(fetch, plc_url)
        self.plc_url = plc_url
        self._dids = DidResolver(fetch, self.plc, allow_private=True)
        self._handles = HandleResolver(fetch, look_up_txt=NameServers().texts)
        self._patience = patience
        self._key = key

    async def did(self, account: str, source: Server | None) -> Did:
        """Find the DID of a handle: the source is asked where the owner named it, else the network.

        Raises MigrationError, NotNow.
        """
        if account.startswith("did:"):
            try:
                return Did.parse(account)
            except InvalidSyntax as error:
                raise MigrationError(f"{account} is not a DID") from error
        try:
            handle = Handle.parse(account.removeprefix("@"))
        except InvalidSyntax as error:
            raise MigrationError(f"{account} is neither a handle nor a DID") from error
        if source is not None:
            try:
                found = await source.query("com.atproto.identity.resolveHandle", {"handle": handle})
                return Did.parse(str(found.get("did")))
            except CallRefused as error:
                raise MigrationError(f"{source.url} has no account {handle}") from error
        found_did = await self.claimed_by(handle)
        if found_did is None:
            raise MigrationError(f"no DID is found for {handle}: give the DID itself, or the server with --source")
        return found_did

    async def claimed_by(self, handle: Handle) -> Did | None:
        """Give the DID that a handle leads to on the network, None where it leads nowhere, or nobody can be asked."""
        try:
            return await self._handles.resolve(handle, refresh=True)
        except RemoteError:
            return None

    async def document(self, did: Did, advice: str = "") -> DidDocument:
        """Give the DID's document as it is now; raise MigrationError, ServerAway, with the advice in the end."""
        by_plc = did.method == "plc"
        try:
            return await self._dids.resolve(did, max_age=0)
        except DidDeactivated as error:
            state = None
            if by_plc:
                state = state_after(did, await self.operation_to_follow(did))
            if state is None:
                raise MigrationError(f"{did} has ended for good: {error}") from error
            return DidDocument.parse(to_did_document(state))
        except DidNotFound as error:
            where = f" in {self.plc_url}" if by_plc else ""
            raise MigrationError(f"there is no {did}{where}: {error}{advice}") from error
        except RemoteError as error:
            where = f" from {self.plc_url}" if by_plc else ""
            raise ServerAway(f"the document of {did} cannot be had{where}: {explain(error)}{advice}") from error

    async def operation(self, did: Did) -> dict[str, Any]:
        """Give the operation of a did:plc that is in force; raise MigrationError, ServerAway."""
        try:
            return await self.plc.last_operation(did)
        except NotFound as error:
            raise MigrationError(f"there is no {did} in {self.plc_url}") from error
        except RemoteError as error:
            raise ServerAway(
                f"the operation in force of {did} cannot be had from {self.plc_url}: {explain(error)}"
            ) from error

    async def operation_to_follow(self, did: Did) -> dict[str, Any]:
        """Give the operation that the next one names: the last before what the owner's key has to undo, if anything.

        Raises as `operation`.
        """
        last = await self.operation(did)
        if self._key is None or (
            not is_tombstone(last) and self._key.public.did_key in normalize(last)["rotationKeys"]
        ):
            return last
        try:
            return last_for(await self.plc.log(did), self._key.public.did_key, datetime.now(UTC)) or last
        except (RemoteError, ProtocolError) as error:
            raise ServerAway(f"the log of {did} cannot be had: {explain(error)}") from error

    async def knows(self, did: Did) -> bool | None:
        """Tell whether the directory has a DID; None when it cannot be asked."""
        try:
            await self.plc.last_operation(did)
        except NotFound:
            return False
        except RemoteError:
            return None
        return True

    async def submit(self, did: Did, operation: dict[str, Any]) -> None:
        """Publish an operation at the directory; raise MigrationError, ServerAway."""
        try:
            await self.plc.submit(did, operation)
        except (Unreachable, TimedOut) as error:
            raise ServerAway(str(error)) from error
        except RemoteError as error:
            raise MigrationError(f"the PLC directory does not take the operation: {error}") from error

    async def close(self) -> None:
        """Stop what is under way."""
        await self._dids.close()
        await self._handles.close()
