"""The part of the composition root that makes backups."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from tempest_pds.adapter_selection import AdapterKind
from tempest_pds.composition.data import OpenedData
from tempest_pds.plugin_loading import one_line
from tempest_pds.plugins import PluginManager
from tempest_pds.selected_adapters import SelectedAdapters, unusable
from tempest_pds.services.backup.history import History
from tempest_pds.services.backup.maker import BackupMaker
from tempest_pds.services.backup.names import Retention
from tempest_pds.services.backup.ready_sink import ReadySink
from tempest_pds.services.backup.schedule import BackupSchedule
from tempest_pds.services.backup.standing import BackupStanding
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.progress import Progress
from tempest_pds.settings import Settings
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.errors import AdapterUnavailable

if TYPE_CHECKING:
    from pyrage.x25519 import Recipient

    from tempest_pds.services.backup.archive import Archive

LOCAL = "local"

_log = structlog.get_logger("tempest_pds.backup")


@dataclass(frozen=True, slots=True)
class Backups:
    """What makes backups, by hand and by the clock, and how they stand."""

    maker: BackupMaker
    schedule: BackupSchedule
    standing: BackupStanding


async def open_backups(
    settings: Settings,
    context: PluginContext,
    plugins: PluginManager,
    adapters: SelectedAdapters,
    data: OpenedData,
    log: CommitLog,
    blobs: Blobs,
    instruments: Instruments,
    stack: AsyncExitStack,
) -> Backups:
    """Open the sinks, and put together what fills them. The schedule is not started.

    Raises AdapterUnusable for a sink that is set up wrongly; one that does not answer is asked again when it is needed.
    """
    name = adapters.selection.backup_sink
    sink = ReadySink(name, adapters.backup_sink)
    stack.push_async_callback(sink.close)
    local = sink
    if name != LOCAL:
        local = ReadySink(LOCAL, plugins.create_backup_sink(LOCAL, {}, context))
        stack.push_async_callback(local.close)
    try:
        await sink.ready()
    except AdapterUnavailable as error:
        _log.warning("backup.sink_unavailable", store=name, error=one_line(error))
    except Exception as error:
        raise unusable(AdapterKind.BACKUP_SINK, name, error) from error
    history = History(data.directory.backups, name)

    def new_archive(progress: Progress) -> Archive:
        # With all that it needs, first imported when a backup is made: a start does without.
        from tempest_pds.services.backup.archive import Archive, Origin
        from tempest_pds.services.backup.cut import Cutter

        return Archive(
            origin=Origin(
                hostname=settings.hostname,
                public_url=settings.public_url,
                software=context.version,
                blob_store=settings.blob_store,
                secrets_elsewhere=_secrets_elsewhere(settings),
            ),
            directory=data.directory,
            cutter=Cutter(accounts=data.accounts, sequencer=data.sequencer, stores=data.stores, log=log),
            accounts=data.accounts,
            stores=data.stores,
            blobs=blobs,
            with_blobs=settings.backup_blobs,
            progress=progress,
        )

    maker = BackupMaker(
        hostname=settings.hostname,
        local=local,
        sink=sink,
        new_archive=new_archive,
        history=history,
        instruments=instruments,
        recipient=_recipient(settings),
        retention=Retention(settings.backup_keep, settings.backup_keep_days),
    )
    schedule = BackupSchedule(maker, history, settings.backup_interval_hours * 3600)
    standing = BackupStanding(maker=maker, schedule=schedule, history=history, is_local=settings.is_local)
    return Backups(maker, schedule, standing)


def _recipient(settings: Settings) -> Recipient | None:
    if settings.backup_recipient is None:
        return None
    from tempest_pds.services.backup.encryption import recipient

    return recipient(settings.backup_recipient)


def _secrets_elsewhere(settings: Settings) -> tuple[str, ...]:
    given = {
        "SECRET_KEY_BASE": settings.secret_key_base,
        "TEMPEST_ADMIN_TOKEN_HASH": settings.admin_token_hash,
        "TEMPEST_PLC_ROTATION_KEY": settings.plc_rotation_key,
    }
    return tuple(name for name, value in given.items() if value is not None)
