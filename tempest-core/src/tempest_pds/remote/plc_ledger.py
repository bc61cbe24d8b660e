"""A PLC directory of one's own, for localhost: it takes and gives out operations by the rules of the real one.

An account made on a laptop must not end up in the public directory, and must not need a network. So, without a
TEMPEST_PLC_URL, operations go to a file in the data directory: one JSON object a line, in the form of the directory's
export, only ever appended to, and on the disk before an operation counts. Nobody else can see these DIDs.

In memory stands, for each DID, where its lines are: some hundred bytes an account.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.identity.plc_log import LogEntry, next_entries
from tempest_pds.protocol.identity.plc_operation import state_after, to_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import DidDeactivated, DidNotFound, OperationRefused, RemoteError

_log = structlog.get_logger("tempest_pds.plc_ledger")


class LedgerDamaged(RemoteError):
    """A line in the middle of the ledger cannot be read; only its end may ever be incomplete."""


class PlcLedger:
    """The operations of did:plc in a file.

    Args:
        path: of the file; made when the first operation comes.
        now: the time, aware of its zone.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._lines: dict[Did, tuple[int, ...]] = {}
        self._end = 0
        self._appending = asyncio.Lock()
        self._load()

    async def submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        """Publish a signed operation; see `tempest_pds.remote.plc_directory.Plc`."""
        # Shielded: what is on the disk must be known in memory too, even if the caller goes away meanwhile.
        await asyncio.shield(asyncio.ensure_future(self._submit(did, dict(operation))))

    async def last_operation(self, did: Did) -> dict[str, Any]:
        """Give the operation that is in force; see `Plc`."""
        return self._last(did).operation

    async def document(self, did: Did) -> dict[str, Any]:
        """Give the DID's document; see `Plc`."""
        state = state_after(did, self._last(did).operation)
        if state is None:
            raise DidDeactivated(f"{did} was deactivated for good")
        return to_did_document(state)

    async def log(self, did: Did) -> list[LogEntry]:
        """Give all operations, oldest first, also those that were undone; none for a DID that is not here."""
        return self._read(did)

    def _last(self, did: Did) -> LogEntry:
        log = [entry for entry in self._read(did) if not entry.nullified]
        if not log:
            raise DidNotFound(f"The ledger does not have {did}")
        return log[-1]

    def _read(self, did: Did) -> list[LogEntry]:
        """Replay a DID's lines: which of them were undone follows from the later ones."""
        positions = self._lines.get(did, ())
        if not positions:
            return []
        log: list[LogEntry] = []
        with self._path.open("rb") as file:
            for position in positions:
                file.seek(position)
                _, entry = _parse(file.readline())
                # Verified when it came; only an operation that undoes others needs the rules again.
                if log and entry.operation["prev"] != str(log[-1].cid):
                    log = next_entries(did, log, entry.operation, entry.created_at)
                else:
                    log.append(entry)
        return log

    async def _submit(self, did: Did, operation: dict[str, Any]) -> None:
        async with self._appending:
            log = self._read(did)
            if log and log[-1].operation == operation:
                return
            try:
                entry = next_entries(did, log, operation, self._now())[-1]
            except ProtocolError as error:
                raise OperationRefused(str(error)) from error
            await self._append(did, _format(did, entry))

    async def _append(self, did: Did, line: bytes) -> None:
        start = self._end
        await asyncio.to_thread(_write_at, self._path, start, line)
        self._lines[did] = (*self._lines.get(did, ()), start)
        self._end = start + len(line)

    def _load(self) -> None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    # The process died while it wrote: the operation was never acknowledged, and is written over.
                    _log.warning("plc_ledger.incomplete_line", line=number)
                    break
                try:
                    did, _ = _parse(line)
                except (ValueError, KeyError, TypeError, ProtocolError) as error:
                    raise LedgerDamaged(f"Line {number} of {self._path} cannot be read") from error
                self._lines[did] = (*self._lines.get(did, ()), self._end)
                self._end += len(line)


def _format(did: Did, entry: LogEntry) -> bytes:
    fields = {
        "did": did,
        "operation": entry.operation,
        "cid": str(entry.cid),
        "nullified": False,
        "createdAt": entry.created_at.isoformat(),
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _parse(line: bytes) -> tuple[Did, LogEntry]:
    fields = json.loads(line)
    entry = LogEntry(fields["operation"], CID.parse(fields["cid"]), datetime.fromisoformat(fields["createdAt"]))
    return Did.parse(fields["did"]), entry


def _write_at(path: Path, position: int, line: bytes) -> None:
    made = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, position)
        os.pwrite(descriptor, line, position)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if made:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
