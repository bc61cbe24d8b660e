"""Whole repositories: verified, built anew, replaced by a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.http.errors import XrpcError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.progress import Progress
from tempest_pds.services.repo_verification import RepositoryReport

_MAX_REPORTS: Final = 1_000
_MAX_CAR: Final = 1 << 40
"""No limit but a number: whoever runs the server knows how much room there is."""


@admin_route("POST", "/xrpc/_admin/repo/verify")
async def verify(call: AdminCall) -> Answer:
    """Check the repositories of `dids`, or with `all` every one; long. `rehashBlobs` reads the bytes of blobs, too."""
    checks = call.services.maintenance.checks
    everyone = call.flag("all")
    dids = await checks.dids() if everyone else _dids(call)
    rehash = call.flag("rehashBlobs")

    async def work(progress: Progress) -> dict[str, Any]:
        totals = dict.fromkeys(("records", "nodes", "blobs", "blobsNeverUploaded"), 0)
        told: list[dict[str, Any]] = []
        damaged = 0
        for index, did in enumerate(dids):
            within = _within(progress, index, len(dids))
            report = await checks.verify(did, rehash_blobs=rehash, progress=within)
            totals["records"] += report.records
            totals["nodes"] += report.nodes
            totals["blobs"] += report.blobs
            totals["blobsNeverUploaded"] += report.blobs_never_uploaded
            damaged += bool(report.problems)
            if (report.problems or not everyone) and len(told) < _MAX_REPORTS:
                told.append(_shown(report))
        return {"repositories": len(dids), "damaged": damaged, **totals, "reports": told}

    return call.long_task(work)


@admin_route("POST", "/xrpc/_admin/repo/rebuild")
async def rebuild(call: AdminCall) -> Answer:
    """Build the repository of `did` anew from its records, and tell its consumers; long."""
    did = Did.parse(call.required("did"))

    async def work(progress: Progress) -> dict[str, Any]:
        rebuilt = await call.services.maintenance.rebuild.rebuild(
            did, leave_out_damaged=call.flag("leaveOutDamaged"), progress=progress
        )
        return {
            "commit": str(rebuilt.commit),
            "rev": rebuilt.rev,
            "records": rebuilt.records,
            "fromLog": rebuilt.from_log,
            "leftOut": rebuilt.left_out,
        }

    return call.long_task(work)


@admin_route("POST", "/xrpc/_admin/repo/import")
async def import_repo(call: AdminCall) -> Answer:
    """Replace the repository of `did` by that of a CAR file, which is the body; its commit is signed anew here."""
    did = Did.parse(call.required("did"))
    await call.services.repos.import_car(did, call.body(_MAX_CAR))
    head = call.services.sync.head(did)
    return {"commit": str(head.commit), "rev": head.rev}


def _dids(call: AdminCall) -> list[Did]:
    dids = call.input.get("dids")
    if not isinstance(dids, list) or not dids or not all(isinstance(did, str) for did in dids):
        raise XrpcError(400, "InvalidRequest", "dids must be a list of DIDs, unless all is true")
    return [Did.parse(did) for did in dids]


def _within(progress: Progress, index: int, total: int) -> Progress:
    """Of one repository its records are told, of many the repositories."""
    if total == 1:
        return progress

    def tell(what: str, done: int, of: int | None) -> None:
        progress("repositories", index, total)

    return tell


def _shown(report: RepositoryReport) -> dict[str, Any]:
    shown = asdict(report)
    shown["blobsNeverUploaded"] = shown.pop("blobs_never_uploaded")
    return shown
