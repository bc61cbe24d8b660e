"""The log of a did:plc: which operation may follow which, and what a DID says in the end.

Each operation names the one before it. A log may fork: within 72 hours a rotation key may undo operations that were
signed by a key after it in the list, by an operation whose `prev` is the last one to be kept. What is undone is
nullified: it stays on record, and counts no more. So whether a log is right depends on when each operation came, which
the directory tells; the canonical chain alone proves its signatures, and not that nothing was undone too late.

https://web.plc.directory/spec/v0.1/did-plc
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.identity.plc_operation import (
    InvalidOperation,
    Operation,
    PlcState,
    check_operation,
    did_for_genesis,
    is_tombstone,
    normalize,
    operation_cid,
    state_after,
    verify_operation,
)
from tempest_pds.protocol.syntax.did import Did

RECOVERY_WINDOW: Final = timedelta(hours=72)


class MisorderedOperation(InvalidOperation):
    """An operation whose `prev` is not one that it may follow."""


class LateRecovery(InvalidOperation):
    """An operation that would undo another more than 72 hours after it."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An operation as the directory recorded it; `created_at` is aware of its time zone."""

    operation: Operation
    cid: CID
    created_at: datetime
    nullified: bool = False


def next_entries(did: Did, log: Sequence[LogEntry], operation: Any, now: datetime) -> list[LogEntry]:
    """Return the log with an operation added that came at `now`, and what it undoes marked as nullified.

    `log` holds what was recorded before, nullified or not, in its order.

    Raises:
        InvalidOperation: it has not the form of an operation, may not follow the log, or makes another DID.
        InvalidSignature: it is signed with none of the keys that could.
    """
    check_operation(operation)
    entry = LogEntry(operation, operation_cid(operation), now)
    if not log:
        _check_genesis(did, operation)
        return [entry]
    canonical = [recorded for recorded in log if not recorded.nullified]
    index = _find(canonical, operation["prev"])
    last = canonical[index]
    if is_tombstone(last.operation):
        raise MisorderedOperation("nothing follows the end of a DID")
    rotation_keys: list[str] = normalize(last.operation)["rotationKeys"]
    undone = canonical[index + 1 :]
    if not undone:
        verify_operation(operation, rotation_keys)
        return [*log, entry]
    undone_signer = verify_operation(undone[0].operation, rotation_keys)
    verify_operation(operation, rotation_keys[: rotation_keys.index(undone_signer)])
    if now - undone[0].created_at > RECOVERY_WINDOW:
        raise LateRecovery("an operation may be undone for 72 hours only")
    undone_cids = {recorded.cid for recorded in undone}
    return [
        *(replace(recorded, nullified=True) if recorded.cid in undone_cids else recorded for recorded in log),
        entry,
    ]


def last_for(log: Sequence[LogEntry], key: str, now: datetime) -> Operation | None:
    """Return the operation that a rotation key may follow: the one in force, or the one before what the key may undo.

    None when there is none. `log` holds what was recorded, nullified or not, in its order. Raises as `next_entries`.
    """
    canonical = [recorded for recorded in log if not recorded.nullified]
    undone: LogEntry | None = None
    for recorded in reversed(canonical):
        if undone is not None and now - undone.created_at > RECOVERY_WINDOW:
            return None
        if not is_tombstone(recorded.operation):
            keys: list[str] = normalize(recorded.operation)["rotationKeys"]
            if undone is not None:
                keys = keys[: keys.index(verify_operation(undone.operation, keys))]
            if key in keys:
                return recorded.operation
        undone = recorded
    return None


def verify_log(did: Did, operations: Sequence[Operation]) -> PlcState | None:
    """Verify a chain of operations that all count, oldest first; return what the DID says, or None if it has ended.

    Raises:
        InvalidOperation: one has not the form of an operation, is not in its place, or the first makes another DID.
        InvalidSignature: one is signed with none of the rotation keys before it.
    """
    if not operations:
        raise InvalidOperation("a log is empty")
    _check_genesis(did, check_operation(operations[0]))
    for last, operation in pairwise(operations):
        if is_tombstone(last):
            raise MisorderedOperation("nothing follows the end of a DID")
        check_operation(operation)
        if operation["prev"] != str(operation_cid(last)):
            raise MisorderedOperation("an operation does not name the one before it")
        verify_operation(operation, normalize(last)["rotationKeys"])
    return state_after(did, operations[-1])


def verify_audit_log(did: Did, entries: Sequence[LogEntry]) -> PlcState | None:
    """Replay all that a directory recorded, oldest first, and check what it says of each entry.

    Returns what the DID says, or None if it has ended. Raises as `next_entries` does, and InvalidOperation when a CID
    or a `nullified` is not what it should be.
    """
    log: list[LogEntry] = []
    for entry in entries:
        if log and entry.created_at < log[-1].created_at:
            raise MisorderedOperation("the entries of a log are not in order of time")
        log = next_entries(did, log, entry.operation, entry.created_at)
    if not log:
        raise InvalidOperation("a log is empty")
    if [(entry.cid, entry.nullified) for entry in log] != [(entry.cid, entry.nullified) for entry in entries]:
        raise InvalidOperation("a log does not say the right thing about its own entries")
    return state_after(did, [entry for entry in log if not entry.nullified][-1].operation)


def _check_genesis(did: Did, operation: Operation) -> None:
    normal = normalize(operation)
    if is_tombstone(normal) or normal["prev"] is not None:
        raise MisorderedOperation("the first operation of a DID follows another")
    verify_operation(operation, normal["rotationKeys"])
    expected = did_for_genesis(operation)
    if expected != did:
        raise InvalidOperation(f"the first operation makes another DID, {expected}")


def _find(entries: Sequence[LogEntry], prev: object) -> int:
    if not isinstance(prev, str):
        raise MisorderedOperation("an operation that is not the first names none before it")
    try:
        cid = CID.parse(prev)
    except InvalidEncoding as error:
        raise MisorderedOperation("an operation names one before it that is no CID") from error
    for index, entry in enumerate(entries):
        if entry.cid == cid:
            return index
    raise MisorderedOperation("an operation names one before it that does not count")
