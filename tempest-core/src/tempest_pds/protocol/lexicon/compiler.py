"""Compiling Lexicon definitions into closures, each when it is first needed.

A definition is named `nsid#name`, `nsid#main` for the main one; in data the latter is written without its fragment. A
reference is followed when the first value comes along it: definitions refer to one another in circles, and compiling
all that can be reached from `app.bsky.feed.defs` would take far longer than the request that asked for it.

Definitions come in two forms. Records are stored as they were signed, so what they lack stays lacking. Parameters and
inputs are completed with their defaults.
"""

from __future__ import annotations

from typing import Any, Protocol

from tempest_pds.protocol.lexicon.containers import compile_array, compile_object, compile_record, compile_union
from tempest_pds.protocol.lexicon.documents import Document
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.failure import wrong_type, wrong_value
from tempest_pds.protocol.lexicon.scalars import (
    check_link,
    check_unknown,
    compile_blob,
    compile_boolean,
    compile_bytes,
    compile_integer,
)
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, part, strings
from tempest_pds.protocol.lexicon.strings import compile_string


def full_name(nsid: str, reference: str) -> str:
    """Resolve a reference made in the document `nsid` to `nsid#name`."""
    document, _, name = reference.partition("#")
    return f"{document or nsid}#{name or 'main'}"


def type_name(definition: str) -> str:
    """Return how data names a definition in its `$type`."""
    return definition.removesuffix("#main")


class DocumentSource(Protocol):
    """Anything that finds a document by its NSID."""

    def get(self, nsid: str, /) -> Document | None:
        """Return a document, or None when there is none."""
        ...


class Compiler:
    """Turns definitions into checks, and keeps them."""

    def __init__(self, documents: DocumentSource) -> None:
        """Take the documents to find definitions in."""
        self._documents = documents
        self._checks: dict[tuple[str, bool], Check] = {}

    def definition(self, full: str, *, with_defaults: bool) -> Check:
        """Return the check of `nsid#name`; raise BrokenLexicon when there is none, or no value can have its type."""
        check = self._checks.get((full, with_defaults))
        if check is None:
            check = self._compile_definition(full, with_defaults)
            self._checks[full, with_defaults] = check
        return check

    def find(self, full: str) -> Schema:
        """Return the definition `nsid#name` as its document has it; raise BrokenLexicon."""
        nsid, _, name = full.partition("#")
        document = self._documents.get(nsid)
        definition = None if document is None else document["defs"].get(name)
        if not isinstance(definition, dict):
            raise BrokenLexicon(f"there is no definition {full}")
        return definition

    def _compile_definition(self, full: str, with_defaults: bool) -> Check:
        schema = self.find(full)
        nsid = full.partition("#")[0]
        name = type_name(full)

        def compile_part(inner: Schema) -> Check:
            return self.compile(nsid, inner, with_defaults=with_defaults)

        match schema.get("type"):
            case "object":
                return compile_object(schema, compile_part, with_defaults=with_defaults, name=name)
            case "record":
                body = part(schema, "record", dict)
                return compile_record(body, compile_part, with_defaults=with_defaults, name=name)
            case "token":
                return _compile_token(name)
            case _:
                return compile_part(schema)

    def compile(self, nsid: str, schema: Schema, *, with_defaults: bool) -> Check:
        """Compile a schema found anywhere inside the document `nsid`; raise BrokenLexicon."""

        def compile_part(inner: Schema) -> Check:
            return self.compile(nsid, inner, with_defaults=with_defaults)

        kind = schema.get("type")
        match kind:
            case "string":
                return compile_string(schema)
            case "integer":
                return compile_integer(schema)
            case "boolean":
                return compile_boolean(schema)
            case "bytes":
                return compile_bytes(schema)
            case "cid-link":
                return check_link
            case "blob":
                return compile_blob(schema)
            case "unknown":
                return check_unknown
            case "array":
                return compile_array(schema, compile_part(part(schema, "items", dict)))
            case "object":
                return compile_object(schema, compile_part, with_defaults=with_defaults)
            case "ref":
                return self._reference(full_name(nsid, part(schema, "ref", str)), with_defaults)
            case "union":
                part(schema, "refs", list)
                names = [full_name(nsid, reference) for reference in strings(schema, "refs")]
                variants = {type_name(name): self._reference(name, with_defaults) for name in names}
                return compile_union(variants, closed=optional(schema, "closed", bool) or False)
            case _:
                raise BrokenLexicon(f"a value cannot be of type {kind!r}")

    def _reference(self, full: str, with_defaults: bool) -> Check:
        target: Check | None = None

        def check(value: Any) -> Any:
            nonlocal target
            if target is None:
                target = self.definition(full, with_defaults=with_defaults)
            return target(value)

        return check


def _compile_token(name: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise wrong_type(value, "token")
        if value != name:
            raise wrong_value(value, [name])
        return value

    return check
