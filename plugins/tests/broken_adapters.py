"""Backup sinks, mailers and telemetry exporters with one fault each, beside the test that must catch it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from faults import caught_by

from tempest_pds_plugins import (
    BackupNotFound,
    BackupStat,
    Exposition,
    Mail,
    ServiceIdentity,
)
from tempest_pds_plugins.memory import MemoryBackupSink, MemoryMailer, MemoryTelemetryExporter


@caught_by("test_broken_stream_leaves_nothing")
class SinkKeepsWhatCame(MemoryBackupSink):
    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        data = b""
        try:
            async for chunk in chunks:
                data += chunk
        finally:
            self._backups[name] = (data, time.time())
        return await self.stat(name)


@caught_by("test_list_is_in_order_of_names")
class SinkListsNewestFirst(MemoryBackupSink):
    async def list(self) -> AsyncIterator[BackupStat]:
        for name in reversed([*self._backups]):
            yield await self.stat(name)


@caught_by("test_bad_name_is_refused")
class SinkTakesPaths(MemoryBackupSink):
    def location(self, name: str) -> str:
        return f"/backups/{name}"


@caught_by("test_large_backup_keeps_memory_flat")
class SinkHoldsAll(MemoryBackupSink):
    pass


@caught_by("test_delete_may_be_repeated")
class SinkDeletesOnce(MemoryBackupSink):
    async def delete(self, name: str) -> None:
        if name not in self._backups:
            raise BackupNotFound(name)
        await super().delete(name)


@caught_by("test_subject_survives")
class MailerWritesAscii(MemoryMailer):
    async def send(self, mail: Mail) -> None:
        self.sent.append(Mail(mail.to, mail.subject.encode("ascii", "replace").decode(), mail.text, mail.html))


@caught_by("test_text_survives")
class MailerEndsAtADot(MemoryMailer):
    async def send(self, mail: Mail) -> None:
        self.sent.append(Mail(mail.to, mail.subject, mail.text.split("\n.\n")[0].removeprefix(".") or " ", mail.html))


@caught_by("test_html_stands_beside_the_text")
class MailerDropsHtml(MemoryMailer):
    async def send(self, mail: Mail) -> None:
        self.sent.append(Mail(mail.to, mail.subject, mail.text))


@caught_by("test_mails_at_once_all_arrive")
class MailerHasOneDraft(MemoryMailer):
    _draft: Mail

    async def send(self, mail: Mail) -> None:
        self._draft = mail
        await asyncio.sleep(0)
        self.sent.append(self._draft)


@caught_by("test_same_mail_may_be_sent_again")
class MailerTakesEachIdOnce(MemoryMailer):
    async def send(self, mail: Mail) -> None:
        if mail.id not in [sent.id for sent in self.sent]:
            self.sent.append(mail)


@caught_by("test_check_sends_nothing")
class MailerChecksByMail(MemoryMailer):
    async def check(self) -> None:
        await self.send(Mail("postmaster@example.com", "a check", "text"))


@caught_by("test_stop_may_be_repeated")
class ExporterStopsOnce(MemoryTelemetryExporter):
    async def stop(self) -> None:
        if self.stopped:
            raise RuntimeError("stopped already")
        self.stopped = True


@caught_by("test_stop_without_start")
class ExporterNeedsAStart(MemoryTelemetryExporter):
    async def stop(self) -> None:
        assert self.service is not None


@caught_by("test_starts_flushes_and_stops_with_nobody_there")
class ExporterTellsOfTheAbsentCollector(MemoryTelemetryExporter):
    async def flush(self) -> None:
        raise ConnectionRefusedError


@caught_by("test_loop_runs_on_while_it_flushes")
class ExporterBlocksTheLoop(MemoryTelemetryExporter):
    async def flush(self) -> None:
        time.sleep(0.5)  # noqa: ASYNC251


@caught_by("test_page_for_a_scraper_is_bytes_with_a_media_type")
class ExporterShowsText(MemoryTelemetryExporter):
    def start(self, service: ServiceIdentity) -> None:
        self.service = service

    def exposition(self) -> Exposition | None:
        page: Any = "text"
        return Exposition("text/plain", page)
