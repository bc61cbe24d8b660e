"""What a repository's file keeps beside the record itself: the blobs and the subjects that it refers to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax
from tempest_pds.protocol.lexicon.record_links import blobs_in
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.repo import PreparedCommit
from tempest_pds.repo.writes import RepoOp
from tempest_pds.stores.actor.commit_row import CommitRow

# Of these an account should hold one for each subject: a second like of one post replaces the first.
_SUBJECT_IS_DID: Final = frozenset({"app.bsky.graph.follow", "app.bsky.graph.block"})
_SUBJECT_IS_RECORD: Final = frozenset({"app.bsky.feed.like", "app.bsky.feed.repost"})
BACKLINKED: Final = _SUBJECT_IS_DID | _SUBJECT_IS_RECORD


def backlink(collection: str, value: LexValue) -> str | None:
    """Give the DID or AT-URI that a follow, block, like or repost is about; None for anything else."""
    if collection not in BACKLINKED or not isinstance(value, dict):
        return None
    subject = value.get("subject")
    try:
        if collection in _SUBJECT_IS_DID:
            return Did.parse(subject) if isinstance(subject, str) else None
        uri = subject.get("uri") if isinstance(subject, dict) else None
        return AtUri.parse(uri) if isinstance(uri, str) else None
    except InvalidSyntax:
        return None


def commit_row(prepared: PreparedCommit, values: Mapping[str, LexValue]) -> CommitRow:
    """Shape a prepared commit for the repository's file.

    Args:
        values: the decoded records by path, for those that the caller has at hand; others are decoded here.
    """
    return build_row(
        rev=prepared.rev,
        commit=prepared.commit,
        commit_block=prepared.commit_block,
        data=prepared.repo.head.data,
        new_nodes=prepared.new_nodes,
        removed_nodes=prepared.removed_nodes,
        ops=prepared.ops,
        blocks=prepared.records,
        values=values,
    )


def build_row(
    *,
    rev: str,
    commit: CID,
    commit_block: bytes,
    data: CID,
    new_nodes: Mapping[CID, bytes],
    removed_nodes: Collection[CID],
    ops: Sequence[RepoOp],
    blocks: Mapping[CID, bytes],
    values: Mapping[str, LexValue],
) -> CommitRow:
    """Shape a commit for the repository's file from its parts."""
    upserts: list[tuple[str, CID, bytes]] = []
    deletes: list[str] = []
    blobs: list[tuple[str, CID]] = []
    backlinks: list[tuple[str, str]] = []
    for op in ops:
        if op.cid is None:
            deletes.append(op.path)
            continue
        block = blocks[op.cid]
        upserts.append((op.path, op.cid, block))
        value = values.get(op.path)
        if value is None:
            value = decode_record(block)
        blobs.extend((op.path, blob.cid) for blob in blobs_in(value))
        subject = backlink(op.path.partition("/")[0], value)
        if subject is not None:
            backlinks.append((op.path, subject))
    return CommitRow(
        rev=rev,
        commit_cid=commit,
        commit_block=commit_block,
        data_cid=data,
        new_nodes=new_nodes,
        removed_nodes=removed_nodes,
        upserts=upserts,
        deletes=deletes,
        blobs=blobs,
        backlinks=backlinks,
    )


def decode_record(block: bytes) -> dict[str, LexValue]:
    """Read a record's block; raise InvalidEncoding when it is not a DAG-CBOR map."""
    value = dag_cbor.decode(block)
    if not isinstance(value, dict):
        raise InvalidEncoding("a record is a map")
    return value
