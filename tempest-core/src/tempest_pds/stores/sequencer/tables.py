"""The tables of `sequencer.sqlite`: the log of every event, and a few facts about the log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from tempest_pds.stores.schema import Schema

METADATA: Final = MetaData()

# AUTOINCREMENT keeps the highest number ever used in `sqlite_sequence`, so a pruned number is never given again.
EVENT: Final = Table(
    "event",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("did", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rev", Text),
    Column("time_us", Integer, nullable=False),
    Column("frame", LargeBinary, nullable=False),
    Index("event_by_did", "did", "seq"),
    sqlite_autoincrement=True,
)

META: Final = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

SCHEMA: Final = Schema("sequencer", METADATA, head="sequencer_0001")
