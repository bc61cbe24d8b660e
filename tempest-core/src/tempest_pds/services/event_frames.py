"""The frames of `com.atproto.sync.subscribeRepos`: a header and a body, both DAG-CBOR, one after the other.

A frame is encoded once, by the writer that gives it its `seq`; the log, the backfill and every live subscriber use the
same bytes. https://atproto.com/specs/event-stream and https://atproto.com/specs/sync
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.repo import PreparedCommit
from tempest_pds.repo.writes import Action, RepoOp

_HEADERS: Final = {
    kind: dag_cbor.encode({"op": 1, "t": f"#{kind}"}) for kind in ("commit", "sync", "identity", "account", "info")
}


@dataclass(frozen=True, slots=True)
class CommitEvent:
    """A change of a repository, with the blocks that prove it."""

    prepared: PreparedCommit

    kind = "commit"

    @property
    def did(self) -> Did:
        """The account whose repository changed."""
        return self.prepared.did

    @property
    def rev(self) -> Tid | None:
        """The revision that the change made."""
        return self.prepared.rev

    def body(self) -> dict[str, LexValue]:
        """Everything but `seq` and `time`."""
        prepared = self.prepared
        body = _commit_body(prepared.did, prepared.commit, prepared.rev, prepared.since, prepared.car)
        body["ops"] = [_op(op) for op in prepared.ops]
        if prepared.prev_data is not None:
            body["prevData"] = prepared.prev_data
        return body


@dataclass(frozen=True, slots=True)
class FirstCommitEvent:
    """The commit over the empty tree with which a repository begins; `blocks` is a CAR of it and the empty node."""

    did: Did
    rev: Tid | None
    commit: CID
    blocks: bytes

    kind = "commit"

    def body(self) -> dict[str, LexValue]:
        """Everything but `seq` and `time`."""
        return _commit_body(self.did, self.commit, self.rev, None, self.blocks)


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """A repository's state said again, without the changes that led to it."""

    did: Did
    rev: Tid | None
    commit: CID
    commit_block: bytes

    kind = "sync"

    def body(self) -> dict[str, LexValue]:
        """Everything but `seq` and `time`."""
        return {"did": self.did, "rev": self.rev, "blocks": car.encode(self.commit, [(self.commit, self.commit_block)])}


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """A handle or DID document that may have changed; `handle` is None when it is not to be told."""

    did: Did
    handle: Handle | None

    kind = "identity"
    rev = None

    def body(self) -> dict[str, LexValue]:
        """Everything but `seq` and `time`."""
        return {"did": self.did} if self.handle is None else {"did": self.did, "handle": self.handle}


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """An account's hosting status; `status` is None exactly for an active account."""

    did: Did
    status: str | None

    kind = "account"
    rev = None

    def body(self) -> dict[str, LexValue]:
        """Everything but `seq` and `time`."""
        if self.status is None:
            return {"did": self.did, "active": True}
        return {"did": self.did, "active": False, "status": self.status}


Event = CommitEvent | FirstCommitEvent | SyncEvent | IdentityEvent | AccountEvent


def _commit_body(did: Did, commit: CID, rev: Tid | None, since: Tid | None, blocks: bytes) -> dict[str, LexValue]:
    return {
        "repo": did,
        "commit": commit,
        "rev": rev,
        "since": since,
        "blocks": blocks,
        "ops": [],
        # Deprecated, and still required by the lexicon.
        "rebase": False,
        "tooBig": False,
        "blobs": [],
    }


def _op(op: RepoOp) -> LexValue:
    encoded: dict[str, LexValue] = {"action": op.action, "path": op.path, "cid": op.cid}
    if op.prev is not None:
        encoded["prev"] = op.prev
    return encoded


def encode_frame(event: Event, seq: int, time: str) -> bytes:
    """Encode one frame; `time` is a datetime of the AT Protocol."""
    return _HEADERS[event.kind] + dag_cbor.encode({**event.body(), "seq": seq, "time": time})


def info_frame(name: str, message: str) -> bytes:
    """Encode an `#info` frame, such as OutdatedCursor; it has no `seq`."""
    return _HEADERS["info"] + dag_cbor.encode({"name": name, "message": message})


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A commit read back from the log, as far as the repository's file needs it."""

    did: Did
    rev: Tid
    commit: CID
    ops: Sequence[RepoOp]
    blocks: Mapping[CID, bytes]


def decode_commit_frame(frame: bytes) -> LoggedCommit:
    """Read a `#commit` frame of our own log; raise InvalidEncoding for anything else."""
    header = _HEADERS["commit"]
    if not frame.startswith(header):
        raise InvalidEncoding("not a #commit frame")
    body = dag_cbor.decode(frame[len(header) :])
    match body:
        case {
            "repo": str(repo),
            "rev": str(rev),
            "commit": CID() as commit,
            "ops": list(ops),
            "blocks": bytes(blocks),
        }:
            return LoggedCommit(
                Did.parse(repo), Tid.parse(rev), commit, [_decode_op(op) for op in ops], car.decode(blocks)[1]
            )
    raise InvalidEncoding("a #commit frame without its required fields")


def _decode_op(op: LexValue) -> RepoOp:
    match op:
        case {"action": ("create" | "update" | "delete") as action, "path": str(path), "cid": (CID() | None) as cid}:
            prev = cast("dict[str, LexValue]", op).get("prev")
            return RepoOp(cast(Action, action), path, cid, cast("CID | None", prev))
    raise InvalidEncoding("a #commit frame with an op that is not one")
