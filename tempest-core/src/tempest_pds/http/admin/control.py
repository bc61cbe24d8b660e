"""What a command asks first: whether the server that `control.json` names is the one that answers."""

from __future__ import annotations

import os

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer


@admin_route("GET", "/xrpc/_admin/control")
async def control(call: AdminCall) -> Answer:
    """Tell which process this is, and of what version."""
    return {"pid": os.getpid(), "version": call.services.server.version}
