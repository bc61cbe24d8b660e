"""com.atproto.identity.*: handles."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.auth import ACCESS, NONE
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, MINUTE, Limit, by_account
from tempest_pds.http.xrpc import procedure, query

UPDATES: Final = Limit("handle-update", 10, 5 * MINUTE, by_account)
UPDATES_PER_DAY: Final = Limit("handle-update-day", 50, DAY, by_account)


@query("com.atproto.identity.resolveHandle", auth=NONE)
async def resolve_handle(call: Call) -> Answer:
    """Find the DID that a handle leads to."""
    return {"did": await call.services.identities.resolve_handle(call.params["handle"])}


@procedure("com.atproto.identity.updateHandle", auth=ACCESS.refusing_takendown(), limits=(UPDATES_PER_DAY, UPDATES))
async def update_handle(call: Call) -> Answer:
    """Give an account another handle, or announce the same one again."""
    assert call.credentials is not None
    await call.services.identities.update_handle(call.credentials.account, call.input["handle"])
    return None
