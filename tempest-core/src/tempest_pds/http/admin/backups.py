"""Backups by the administrator: `tempest backup create` calls this."""

from __future__ import annotations

from typing import Any

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.progress import Progress


@admin_route("POST", "/xrpc/_admin/backups/create")
async def create_backup(call: AdminCall) -> Answer:
    """Make a backup; with `upload`, in the store that TEMPEST_BACKUP_STORE names instead of the data directory."""
    maker = call.services.backups
    upload = call.flag("upload")
    if upload and maker.uploads_to == "local":
        raise InvalidRequest("TEMPEST_BACKUP_STORE is `local`: there is nowhere to upload to; set it to `s3`, for one")

    async def work(progress: Progress) -> dict[str, Any]:
        made = await maker.create(upload=upload, progress=progress)
        manifest = made.manifest
        return {
            "name": made.name,
            "location": made.location,
            "size": made.size,
            "seconds": round(made.seconds, 3),
            "encrypted": made.encrypted,
            "createdAt": manifest.created_at,
            "lastSeq": manifest.last_seq,
            "accounts": manifest.accounts,
            "blobs": manifest.blobs,
            "unreadable": list(manifest.unreadable),
            "missingBlobs": list(manifest.missing_blobs),
            "secretsElsewhere": list(manifest.secrets_elsewhere),
        }

    return call.long_task(work)
