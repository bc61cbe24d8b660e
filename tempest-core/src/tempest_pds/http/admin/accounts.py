"""Finding an account as a person names it."""

from __future__ import annotations

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.services.errors import AccountNotFound


@admin_route("GET", "/xrpc/_admin/account")
async def account(call: AdminCall) -> Answer:
    """Find an account by its handle or DID (`account`), whatever its status."""
    found = call.services.hosting.find(call.required("account"))
    if found is None:
        raise AccountNotFound("there is no such account here")
    return {"did": found.did, "handle": found.handle, "status": str(found.status), "createdAt": found.created_at}
