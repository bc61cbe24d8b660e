"""The schema of a record: its body, and what its key may be.

https://atproto.com/specs/record-key#record-key-type-tid
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tempest_pds.protocol.lexicon.compiler import Compiler
from tempest_pds.protocol.lexicon.errors import BrokenLexicon, InvalidRecord
from tempest_pds.protocol.lexicon.failure import Failure
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional
from tempest_pds.protocol.lexicon.strings import compile_string


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """One type of record."""

    nsid: str
    key: str
    """`tid`, `nsid`, `any`, or `literal:` and the only key there is."""

    _check: Check
    _check_key: Check

    def validate(self, value: object, path: str = "$.record") -> None:
        """Check a whole record, `$type` included; raise InvalidRecord, whose path starts with `path`."""
        try:
            self._check(value)
        except Failure as failure:
            where = failure.path(path)
            text = f"Invalid {self.nsid} record: {failure.message} at {where}"
            raise InvalidRecord(text, where, failure.message) from None

    def validate_key(self, rkey: str) -> None:
        """Check a record key against what this type asks for; raise InvalidRecord."""
        try:
            self._check_key(rkey)
        except Failure as failure:
            text = f"Invalid record key for {self.nsid}: {failure.message} at $"
            raise InvalidRecord(text, "$", failure.message) from None


def compile_record_schema(nsid: str, schema: Schema, compiler: Compiler) -> RecordSchema:
    """Compile the main definition of a document whose type is `record`; raise BrokenLexicon."""
    key = optional(schema, "key", str) or "any"
    check = compiler.definition(f"{nsid}#main", with_defaults=False)
    return RecordSchema(nsid, key, check, _compile_key(key))


def _compile_key(key: str) -> Check:
    rules: dict[str, Any]
    match key:
        case "any":
            rules = {"format": "record-key"}
        case "tid" | "nsid":
            rules = {"format": key}
        case _ if key.startswith("literal:"):
            rules = {"const": key.removeprefix("literal:")}
        case _:
            raise BrokenLexicon(f"record: a key cannot be {key!r}")
    return compile_string({"type": "string", **rules})
