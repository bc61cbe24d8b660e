"""Everything the server knows of schemas, by NSID.

The verdicts are those of the reference PDS as it checks requests and new records: strict datetimes, language tags and
CIDs, blobs within `accept` and `maxSize`, no blob references of the old form. Its older validator is laxer in these
points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tempest_pds.protocol.lexicon.compiler import Compiler, full_name
from tempest_pds.protocol.lexicon.documents import MAIN_ONLY, Document, Documents
from tempest_pds.protocol.lexicon.errors import BrokenLexicon, UnknownLexicon
from tempest_pds.protocol.lexicon.methods import MethodSchema, compile_method
from tempest_pds.protocol.lexicon.records import RecordSchema, compile_record_schema


class Lexicons:
    """The records and methods that can be checked. Documents are read, and schemas compiled, when first asked for."""

    def __init__(self, extra_directories: Sequence[Path] = ()) -> None:
        """Know the shipped documents, and those in the `*.json` files of directories, to any depth.

        Raises BrokenLexicon, which names the file, for an added document that is broken, refers to something that
        does not exist, or has the NSID of another one.
        """
        self._documents = Documents(extra_directories)
        self._compiler = Compiler(self._documents)
        self._records: dict[str, RecordSchema] = {}
        self._methods: dict[str, MethodSchema] = {}
        for nsid, path in self._documents.added.items():
            try:
                self.verify(nsid)
            except BrokenLexicon as error:
                raise BrokenLexicon(f"{path}: {error}") from error

    def __iter__(self) -> Iterator[str]:
        """List the NSIDs of all documents."""
        return iter(self._documents)

    def has(self, nsid: str) -> bool:
        """Tell whether there is a document of this name, whatever it defines."""
        return nsid in self._documents

    def document(self, nsid: str) -> Document | None:
        """Return a document as it was published, without descriptions; it is shared, so leave it as it is."""
        return self._documents.get(nsid)

    def added(self, nsid: str) -> Document | None:
        """Return a document that was added to the shipped ones; leave it as it is."""
        return self._documents.get(nsid) if nsid in self._documents.added else None

    def record(self, nsid: str) -> RecordSchema | None:
        """Return the schema of a type of record, or None when no document at hand defines one."""
        schema = self._records.get(nsid)
        if schema is None:
            main = self._main(nsid)
            if main is None or main.get("type") != "record":
                return None
            schema = self._records[nsid] = compile_record_schema(nsid, main, self._compiler)
        return schema

    def method(self, nsid: str) -> MethodSchema | None:
        """Return the schema of a method, or None when no document at hand defines one."""
        schema = self._methods.get(nsid)
        if schema is None:
            main = self._main(nsid)
            kind = main.get("type") if main else None
            if main is None or (kind != "query" and kind != "procedure" and kind != "subscription"):
                return None
            schema = self._methods[nsid] = compile_method(nsid, kind, main, self._compiler)
        return schema

    def validate_record(self, nsid: str, value: object, path: str = "$.record") -> None:
        """Check a whole record, `$type` included; raise InvalidRecord, or UnknownLexicon without a schema for it."""
        self._record(nsid).validate(value, path)

    def validate_record_key(self, nsid: str, rkey: str) -> None:
        """Check a record key as the type of record asks; raise InvalidRecord, or UnknownLexicon."""
        self._record(nsid).validate_key(rkey)

    def verify(self, nsid: str) -> None:
        """Compile all of a document and follow all its references; raise BrokenLexicon."""
        document = self._documents.get(nsid)
        if document is None:
            raise BrokenLexicon(f"there is no document {nsid}")
        self.record(nsid)
        self.method(nsid)
        for name, definition in document["defs"].items():
            if definition["type"] not in MAIN_ONLY:
                self._compiler.definition(f"{nsid}#{name}", with_defaults=False)
            self._follow_references(nsid, definition)

    def _follow_references(self, nsid: str, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self._follow_references(nsid, item)
        if not isinstance(node, dict):
            return
        for item in node.values():
            self._follow_references(nsid, item)
        if node.get("type") == "ref" and isinstance(node.get("ref"), str):
            self._compiler.definition(full_name(nsid, node["ref"]), with_defaults=False)
        elif node.get("type") == "union" and isinstance(node.get("refs"), list):
            for reference in node["refs"]:
                target = full_name(nsid, reference)
                if self._compiler.find(target).get("type") not in {"object", "record"}:
                    raise BrokenLexicon(f"a union can only hold objects and records, not {target}")

    def _main(self, nsid: str) -> Any:
        document = self._documents.get(nsid)
        return None if document is None else document["defs"].get("main")

    def _record(self, nsid: str) -> RecordSchema:
        schema = self.record(nsid)
        if schema is None:
            raise UnknownLexicon(f"Unknown lexicon type: {nsid}")
        return schema
