"""A record write as it was asked for, and as it goes into the repository once it has been checked.

`validate` has three states, as in com.atproto.repo.createRecord: True demands a known lexicon, False checks nothing but
the data model, None checks what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax
from tempest_pds.protocol.lexicon.errors import InvalidRecord as LexiconMismatch
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.lexicon.record_links import BlobRef, blobs_in
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.repo.writes import Create, Delete, Update, Write
from tempest_pds.services.repo_errors import InvalidRecord

Action = Literal["create", "update", "delete", "put"]
ValidationStatus = Literal["valid", "unknown"]


class Unset:
    """Says that no `swapRecord` was given, which is not the same as null."""


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class RequestedWrite:
    """One write of a request.

    Attributes:
        action: `put` becomes a create or an update by what is there.
        rkey: None lets the server choose a TID; only for a create.
        swap: the CID that the record must have now, None for "must not exist".
    """

    action: Action
    collection: Nsid
    rkey: RecordKey | None
    value: dict[str, LexValue] | None = None
    swap: CID | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class CheckedWrite:
    """One write, encoded and found in order as far as that can be told without the repository."""

    action: Action
    path: str
    value: dict[str, LexValue] | None
    block: bytes
    cid: CID | None
    blobs: tuple[BlobRef, ...]
    status: ValidationStatus | None
    swap: CID | Unset | None

    @property
    def collection(self) -> str:
        """The collection's NSID."""
        return self.path.partition("/")[0]

    def as_repo_write(self, exists: bool) -> Write:
        """Shape the write for the repository, where a record of this path exists or does not."""
        if self.cid is None:
            return Delete(self.path)
        if self.action == "update" or (self.action == "put" and exists):
            return Update(self.path, self.block, self.cid)
        return Create(self.path, self.block, self.cid)


class WriteChecker:
    """Checks writes against the data model and the lexicons."""

    def __init__(self, lexicons: Lexicons, rkeys: TidClock) -> None:
        self._lexicons = lexicons
        self._rkeys = rkeys

    def check(self, write: RequestedWrite, validate: bool | None) -> CheckedWrite:
        """Check and encode one write; raise InvalidRecord."""
        if write.action == "delete":
            assert write.rkey is not None, "a delete names its record"
            path = f"{write.collection}/{write.rkey}"
            return CheckedWrite("delete", path, None, b"", None, (), None, write.swap)
        value = self._typed(write)
        rkey = write.rkey if write.rkey is not None else RecordKey(self._rkeys.next())
        status = self._validate(write.collection, rkey, value, validate)
        blobs = tuple(blobs_in(value))
        for blob in blobs:
            if blob.is_legacy:
                raise InvalidRecord(f"Legacy blobs are not allowed ({blob.cid})")
        try:
            block = dag_cbor.encode(value)
        except InvalidEncoding as error:
            raise InvalidRecord(f"Invalid record: {error}") from error
        return CheckedWrite(
            write.action,
            f"{write.collection}/{rkey}",
            value,
            block,
            CID.for_dag_cbor(block),
            blobs,
            status,
            write.swap,
        )

    def _typed(self, write: RequestedWrite) -> dict[str, LexValue]:
        value = write.value
        if value is None:
            raise InvalidRecord("Invalid record: expected an object")
        given = value.get("$type")
        if given is None and "$type" not in value:
            return {**value, "$type": str(write.collection)}
        if given != write.collection:
            raise InvalidRecord(f"Invalid $type: expected {write.collection}, got {given!r}")
        return value

    def _validate(
        self, collection: Nsid, rkey: RecordKey, value: dict[str, LexValue], validate: bool | None
    ) -> ValidationStatus | None:
        if validate is False:
            return None
        if self._lexicons.record(collection) is None:
            if validate is True:
                raise InvalidRecord(f"Unknown lexicon type: {collection}")
            return "unknown"
        try:
            self._lexicons.validate_record_key(collection, rkey)
        except (LexiconMismatch, InvalidSyntax) as error:
            raise InvalidRecord(str(error)) from error
        try:
            self._lexicons.validate_record(collection, value)
        except LexiconMismatch as error:
            raise InvalidRecord(str(error)) from error
        return "valid"
