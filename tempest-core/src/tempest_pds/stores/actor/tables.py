"""The tables of a repo file: everything one account keeps, in one SQLite database.

The layout follows what is read most. Records lie by their path, in the byte order of the tree, each with its value
beside it: `listRecords` is one range scan, `getRecord` one lookup. Nodes of the tree lie by CID. Neither has a rowid.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from tempest_pds.stores.schema import Schema

METADATA: Final = MetaData()

ROOT: Final = Table(
    "root",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="root_is_one_row"), primary_key=True),
    Column("did", Text, nullable=False),
    Column("commit_cid", LargeBinary, nullable=False),
    Column("rev", Text, nullable=False),
    Column("data_cid", LargeBinary, nullable=False),
    Column("commit_block", LargeBinary, nullable=False),
)

NODE: Final = Table(
    "node",
    METADATA,
    Column("cid", LargeBinary, primary_key=True, nullable=False),
    Column("rev", Text, nullable=False),
    Column("block", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

RECORD: Final = Table(
    "record",
    METADATA,
    Column("path", Text, primary_key=True, nullable=False),
    Column("cid", LargeBinary, nullable=False),
    Column("rev", Text, nullable=False),
    Column("takedown_ref", Text),
    Column("value", LargeBinary, nullable=False),
    Index("record_by_cid", "cid"),
    # Revisions rise, so a commit adds to the end of it.
    Index("record_by_rev", "rev", "path"),
    sqlite_with_rowid=False,
)

BLOB: Final = Table(
    "blob",
    METADATA,
    Column("cid", LargeBinary, primary_key=True, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("takedown_ref", Text),
    sqlite_with_rowid=False,
)

RECORD_BLOB: Final = Table(
    "record_blob",
    METADATA,
    Column("path", Text, primary_key=True, nullable=False),
    Column("cid", LargeBinary, primary_key=True, nullable=False),
    Index("record_blob_by_cid", "cid", "path"),
    sqlite_with_rowid=False,
)

BACKLINK: Final = Table(
    "backlink",
    METADATA,
    Column("path", Text, primary_key=True, nullable=False),
    Column("subject", Text, nullable=False),
    Index("backlink_by_subject", "subject", "path"),
    sqlite_with_rowid=False,
)

PREFERENCE: Final = Table(
    "preference",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Index("preference_by_name", "name"),
)

SCHEMA: Final = Schema("repo", METADATA, head="repo_0002")
