"""The making of the operator's status. Part of the composition root."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from tempest_pds.adapter_selection import Selection
from tempest_pds.composition.data import OpenedData
from tempest_pds.plugins import PluginInUse, PluginManager
from tempest_pds.remote.relays import Relays
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.server_status import ServerStatus, Source, StatusFacts, nothing
from tempest_pds.services.status_problems import Circumstances
from tempest_pds.services.storage_usage import StorageUsage
from tempest_pds.services.upkeep import Upkeep
from tempest_pds.settings import Settings
from tempest_pds.stores.directory_sizes import measure
from tempest_pds.telemetry import software_version


def make_status(
    settings: Settings,
    data: OpenedData,
    plugins: PluginManager,
    selection: Selection,
    stack: AsyncExitStack,
    *,
    firehose: Firehose,
    repos: OpenRepos,
    relays: Relays,
    upkeep: Upkeep,
    backups: Source = nothing,
    mail: Source = nothing,
) -> ServerStatus:
    """Make the status of a server that starts now."""
    storage = StorageUsage(lambda give_up: measure(data.directory, give_up=give_up))
    stack.push_async_callback(storage.close)
    facts = StatusFacts(
        version=software_version(),
        hostname=settings.hostname,
        public_url=settings.public_url,
        did=settings.service_did,
        blob_store=selection.blob_store,
        firehose_retention_hours=settings.firehose_retention_hours,
        firehose_max_lag=settings.firehose_max_buffer,
        circumstances=Circumstances(
            is_local=settings.is_local,
            has_plc_directory=settings.plc_url is not None,
            mailer=selection.mailer,
            rate_limits_enabled=settings.rate_limits_enabled,
            ssrf_protection=settings.ssrf_protection,
        ),
    )
    return ServerStatus(
        facts=facts,
        accounts=data.accounts,
        sequencer=data.sequencer,
        firehose=firehose,
        repos=repos,
        relays=relays,
        storage=storage,
        upkeep=upkeep,
        plugins=[_plugin(plugin) for plugin in plugins.in_use(selection)],
        started_at=time.time(),
        backups=backups,
        mail=mail,
    )


def _plugin(plugin: PluginInUse) -> Mapping[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "adapters": list(plugin.adapters),
        "hooks": list(plugin.hooks),
    }
