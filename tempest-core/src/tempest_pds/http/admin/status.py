"""How the server is doing, for the operator's own tools; the pages at /admin show the same."""

from __future__ import annotations

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer


@admin_route("GET", "/xrpc/_admin/status")
async def status(call: AdminCall) -> Answer:
    """Tell of accounts, log, firehose, storage, relays, backups, mail and plugins, and what is wrong with them."""
    return await call.services.status.report()
