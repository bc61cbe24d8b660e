"""The log of events."""

from __future__ import annotations

from datetime import UTC, datetime

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer


@admin_route("GET", "/xrpc/_admin/sequencer")
async def sequencer(call: AdminCall) -> Answer:
    """Tell where the log of events stands."""
    standing = await call.services.maintenance.log.standing()
    oldest = standing.oldest_us
    return {
        "firstSeq": standing.first,
        "lastSeq": standing.last,
        "appliedSeq": standing.applied,
        "events": sum(standing.kinds.values()),
        "kinds": dict(standing.kinds),
        "oldest": None if oldest is None else datetime.fromtimestamp(oldest / 1_000_000, UTC).isoformat(),
        "bytes": standing.size,
    }
