"""What an operator has checked and mended, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.services.blob_scrub import BlobScrub
from tempest_pds.services.log_status import LogStatus
from tempest_pds.services.repo_checks import RepoChecks
from tempest_pds.services.repo_rebuild import RepoRebuild


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The services behind `tempest repo`, `tempest blob` and `tempest sequencer`."""

    checks: RepoChecks
    rebuild: RepoRebuild
    scrub: BlobScrub
    log: LogStatus
