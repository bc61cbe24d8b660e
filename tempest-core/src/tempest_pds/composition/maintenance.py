"""What an operator has checked and mended, made from what is open; part of the composition root."""

from __future__ import annotations

from tempest_pds.composition.data import OpenedData
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.services.blob_scrub import BlobScrub
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.log_status import LogStatus
from tempest_pds.services.maintenance import Maintenance
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.repo_checks import RepoChecks
from tempest_pds.services.repo_list import RepoList
from tempest_pds.services.repo_rebuild import RepoRebuild
from tempest_pds_plugins.blob_store import BlobStore


def make_maintenance(
    *,
    data: OpenedData,
    repos: OpenRepos,
    log: CommitLog,
    blobs: Blobs,
    blob_store: BlobStore,
    hosting: Hosting,
    repo_list: RepoList,
    revs: TidClock,
) -> Maintenance:
    """Make the services; nothing is to be closed."""
    scrub = BlobScrub(accounts=data.accounts.accounts, stores=data.stores, blobs=blobs, blob_store=blob_store)
    return Maintenance(
        checks=RepoChecks(
            accounts=data.accounts.accounts, stores=data.stores, repos=repos, keys=data.keys, scrub=scrub
        ),
        rebuild=RepoRebuild(
            stores=data.stores,
            repos=repos,
            keys=data.keys,
            log=log,
            sequencer=data.sequencer,
            blobs=blobs,
            hosting=hosting,
            repo_list=repo_list,
            revs=revs,
            temporary=data.directory.tmp,
        ),
        scrub=scrub,
        log=LogStatus(data.sequencer),
    )
