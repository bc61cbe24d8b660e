"""Looking through the blobs of all accounts, and clearing away what nobody uses."""

from __future__ import annotations

from typing import Any

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.http.errors import XrpcError
from tempest_pds.services.blobs import UNUSED_SECONDS
from tempest_pds.services.progress import Progress


@admin_route("POST", "/xrpc/_admin/blobs/collect")
async def collect(call: AdminCall) -> Answer:
    """Remove uploads that no record refers to, and bytes without a row, once they are `unusedSeconds` old; long."""
    unused_seconds = call.input.get("unusedSeconds", UNUSED_SECONDS)
    if not isinstance(unused_seconds, int) or unused_seconds < 0:
        raise XrpcError(400, "InvalidRequest", "unusedSeconds must be a whole number")

    async def work(progress: Progress) -> dict[str, Any]:
        scrub = call.services.maintenance.scrub
        return (await scrub.collect(unused_seconds=unused_seconds, progress=progress)).as_json()

    return call.long_task(work)


@admin_route("POST", "/xrpc/_admin/blobs/scrub")
async def scrub(call: AdminCall) -> Answer:
    """Check that every blob has its bytes and all bytes a blob; long. `deleteOrphans` removes bytes without a row."""

    async def work(progress: Progress) -> dict[str, Any]:
        report = await call.services.maintenance.scrub.scrub(
            rehash=not call.flag("presenceOnly"), delete_orphans=call.flag("deleteOrphans"), progress=progress
        )
        return {"sound": report.sound, **report.as_json()}

    return call.long_task(work)
