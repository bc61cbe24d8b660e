"""The selected adapters: mail, blobs and backups, each tried as far as that changes nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from tempest_pds.adapter_selection import AdapterKind, Selection
from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, note, ok, warning
from tempest_pds.plugin_loading import one_line
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.names import is_of
from tempest_pds.settings import Settings
from tempest_pds.telemetry import software_version
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.backup_sink import BackupSink, BackupStat
from tempest_pds_plugins.blob_store import BlobStore

_HOUR: Final = 3600
# The adapters in the data directory: opening one makes folders there, and the doctor changes nothing.
_LOCAL: Final = "local"


async def check_mail(examination: Examination) -> Sequence[Finding]:
    """Let the mailer look whether its mail server would take a mail."""
    plugins, environ, context, name = _selected(examination, AdapterKind.MAILER)
    try:
        mailer = plugins.create_mailer(name, environ, context)
    except TempestError as error:
        return [failure(str(error), "set what the line says, or install the plugin")]
    if not Selection(mailer=name).sends_mail:
        if context.is_local:
            return [note("no mail goes out: each is written to the log, with its text")]
        return [
            warning(
                "no mail goes out (TEMPEST_MAILER=log): nobody can confirm an address, reset a password, delete an "
                "account or move it away",
                "set TEMPEST_SMTP_ENABLED=true and the settings of a mail server, TEMPEST_SMTP_HOST first",
            )
        ]
    try:
        await mailer.open()
        await mailer.check()
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything
        return [
            failure(
                f"the mailer {name} would not get a mail through: {one_line(error)}",
                "look at host, port, TLS and password of the mail server; many hosting providers block port 25 and 587",
            )
        ]
    finally:
        with suppress(Exception):
            await mailer.close()
    return [ok(f"the mailer {name} reaches its mail server")]


async def check_blob_store(examination: Examination) -> Sequence[Finding]:
    """Open the blob store and list one blob."""
    plugins, environ, context, name = _selected(examination, AdapterKind.BLOB_STORE)
    try:
        store = plugins.create_blob_store(name, environ, context)
    except TempestError as error:
        return [failure(str(error), "set what the line says, or install the plugin")]
    if name == _LOCAL and not (context.data_dir / "blobs").is_dir():
        return [note(f"{context.data_dir / 'blobs'} is made by the first start of the server")]
    try:
        stat = await _first(store, opened=name == _LOCAL)
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything
        return [failure(f"the blob store {name} cannot be read: {one_line(error)}", _STORE_CURE)]
    return [ok(f"the blob store {name} can be read ({'it is empty' if stat is None else 'there are blobs'})")]


async def check_backups(examination: Examination) -> Sequence[Finding]:
    """Open the backup sink and look how old the newest backup is."""
    settings = examination.deployment.settings
    plugins, environ, context, name = _selected(examination, AdapterKind.BACKUP_SINK)
    assert settings is not None
    try:
        sink = plugins.create_backup_sink(name, environ, context)
    except TempestError as error:
        return [failure(str(error), "set what the line says, or install the plugin")]
    if name == _LOCAL and not (context.data_dir / "backups").is_dir():
        return [note(f"{context.data_dir / 'backups'} is made by the first start of the server")]
    try:
        newest = await _newest(sink, settings.hostname, opened=name == _LOCAL)
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything
        return [failure(f"the backup sink {name} cannot be read: {one_line(error)}", _STORE_CURE)]
    return [_age(newest, settings, examination.options.max_backup_hours), *_where(name, settings)]


_STORE_CURE: Final = "look at endpoint, bucket, region and keys, and whether this machine may connect there"


async def _first(store: BlobStore, *, opened: bool) -> object:
    try:
        if not opened:
            await store.open()
        return await anext(aiter(store.list()), None)
    finally:
        with suppress(Exception):
            await store.close()


async def _newest(sink: BackupSink, hostname: str, *, opened: bool) -> BackupStat | None:
    newest: BackupStat | None = None
    try:
        if not opened:
            await sink.open()
        listed: AsyncIterator[BackupStat] = sink.list()
        async for stat in listed:
            if is_of(stat.name, hostname) and (newest is None or stat.modified_at > newest.modified_at):
                newest = stat
    finally:
        with suppress(Exception):
            await sink.close()
    return newest


def _age(newest: BackupStat | None, settings: Settings, max_hours: int) -> Finding:
    if newest is None:
        if settings.is_local:
            return note("there is no backup yet")
        return warning(
            "there is no backup: whoever loses this disk loses every account on it",
            "make one with `tempest backup create`, and set TEMPEST_BACKUP_INTERVAL_HOURS=24 for one every day",
        )
    hours = (time.time() - newest.modified_at) / _HOUR
    if hours > max_hours:
        return warning(
            f"the newest backup, {newest.name}, is {hours:.0f} hours old, and the limit is {max_hours}",
            "make one now with `tempest backup create`, and look in the log for why none was made",
        )
    return ok(f"the newest backup, {newest.name}, is {hours:.0f} hours old")


def _where(name: str, settings: Settings) -> list[Finding]:
    if name != _LOCAL or settings.is_local:
        return []
    return [
        warning(
            f"backups are kept on the disk that they are to save ({settings.data_dir / 'backups'})",
            "set TEMPEST_BACKUP_STORE=s3 and its settings, or copy the folder elsewhere every day",
        )
    ]


def _selected(examination: Examination, kind: AdapterKind) -> tuple[PluginManager, dict[str, str], PluginContext, str]:
    settings = examination.deployment.settings
    assert settings is not None
    environ = dict(examination.deployment.environ)
    context = PluginContext(
        data_dir=settings.data_dir,
        hostname=settings.hostname,
        public_url=settings.public_url,
        version=software_version(),
        is_local=settings.is_local,
    )
    selection = Selection.from_environment(environ)
    names = {
        AdapterKind.MAILER: selection.mailer,
        AdapterKind.BLOB_STORE: selection.blob_store,
        AdapterKind.BACKUP_SINK: selection.backup_sink,
    }
    return examination.plugins, environ, context, names[kind]
