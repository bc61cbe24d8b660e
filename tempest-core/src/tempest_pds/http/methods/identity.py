"""com.atproto.identity.*: handles, and who is who."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, MINUTE, Limit, by_account
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.identity_resolution import Identity


def _by_server(_: Call) -> str:
    """Count by the whole server, all callers together."""
    return "all"


UPDATES: Final = Limit("handle-update", 10, 5 * MINUTE, by_account)
UPDATES_PER_DAY: Final = Limit("handle-update-day", 50, DAY, by_account)
RESOLUTIONS: Final = Limit("identity-resolution", 600, 5 * MINUTE)
REFRESHES: Final = Limit("identity-refresh", 30, 5 * MINUTE)
# Each of them is a question to the PLC directory, which counts by address as well: by ours.
ALL_REFRESHES: Final = Limit("identity-refresh-all", 900, 5 * MINUTE, _by_server)


@query("com.atproto.identity.resolveHandle")
async def resolve_handle(call: Call) -> Answer:
    """Find the DID that a handle leads to."""
    return {"did": await call.services.resolution.resolve_handle(call.params["handle"])}


@query("com.atproto.identity.resolveDid", limits=(RESOLUTIONS,), elsewhere=True)
async def resolve_did(call: Call) -> Answer:
    """Give the document of a DID."""
    return {"didDoc": dict(await call.services.resolution.resolve_did(Did.parse(call.params["did"])))}


@query("com.atproto.identity.resolveIdentity", limits=(RESOLUTIONS,), elsewhere=True)
async def resolve_identity(call: Call) -> Answer:
    """Give the DID, the document and the verified handle of a DID or handle."""
    return _identity_info(await call.services.resolution.resolve_identity(call.params["identifier"]))


@procedure("com.atproto.identity.refreshIdentity", limits=(REFRESHES, ALL_REFRESHES), elsewhere=True)
async def refresh_identity(call: Call) -> Answer:
    """Forget what is remembered of a DID or handle, and ask anew."""
    return _identity_info(await call.services.resolution.refresh(call.input["identifier"]))


@procedure("com.atproto.identity.updateHandle", limits=(UPDATES_PER_DAY, UPDATES))
async def update_handle(call: Call) -> Answer:
    """Give an account another handle, or announce the same one again."""
    assert call.credentials is not None
    await call.services.identities.update_handle(call.credentials.account, call.input["handle"], origin=call.origin)
    return None


def _identity_info(identity: Identity) -> dict[str, LexValue]:
    return {"did": identity.did, "handle": identity.handle, "didDoc": dict(identity.document)}
