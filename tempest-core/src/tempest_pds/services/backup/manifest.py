"""The manifest: what an archive holds, from whom, and of which moment. The last member, and the mark of a whole one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tempest_pds.services.backup.errors import BackupTooNew, NotABackup

MANIFEST: Final = "manifest.json"
FORMAT: Final = "tempest-backup"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of the data directory: its path there, its size in bytes, and its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds.

    Attributes:
        created_at: of the cut; a datetime in UTC.
        created_us: the same in microseconds since 1970.
        software: the version of the Tempest that made it.
        schemas: the revision of each kind of database.
        last_seq: the newest event in the log at the cut.
        applied_seq: the newest event that every account's file is known to hold.
        accounts: how many there were at the cut.
        files: everything but the blobs. A member that is not listed is of no account that was there at the cut.
        blobs: how many blobs the archive holds, and `blob_bytes` of how many bytes; each is named by its hash.
        blobs_included: whether it holds blobs at all.
        blob_store: where they were kept.
        missing_blobs: those that the server knew of and that its blob store did not have, as `did/cid`.
        unreadable: accounts whose file could not be read; the archive has its bytes as they are.
        dropped: accounts that were deleted after the cut, while the backup was being made.
        secrets_elsewhere: the settings that held a secret of the server, which no archive contains.
    """

    created_at: str
    created_us: int
    hostname: str
    public_url: str
    software: str
    schemas: Mapping[str, str]
    last_seq: int
    applied_seq: int
    accounts: int
    files: tuple[ArchivedFile, ...]
    blobs: int = 0
    blob_bytes: int = 0
    blobs_included: bool = True
    blob_store: str = "local"
    missing_blobs: tuple[str, ...] = field(default=())
    unreadable: tuple[str, ...] = field(default=())
    dropped: tuple[str, ...] = field(default=())
    secrets_elsewhere: tuple[str, ...] = field(default=())

    def encode(self) -> bytes:
        """Write it as JSON."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read it; raise NotABackup or BackupTooNew."""
        try:
            fields: dict[str, Any] = json.loads(data)
            if fields.pop("format") != FORMAT:
                raise NotABackup("this is no backup of Tempest: its manifest is of another kind")
            if (version := fields.pop("version")) != VERSION:
                raise BackupTooNew(f"this backup has the format {version}: restore it with the Tempest that made it")
            fields["files"] = tuple(ArchivedFile(**file) for file in fields["files"])
            for name in ("missing_blobs", "unreadable", "dropped", "secrets_elsewhere"):
                fields[name] = tuple(fields[name])
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotABackup("this is no backup of Tempest: its manifest cannot be read") from error
