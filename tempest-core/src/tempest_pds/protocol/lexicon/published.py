"""Lexicon documents that strangers publish, as records of `com.atproto.lexicon.schema` in their repositories.

https://atproto.com/specs/lexicon#lexicon-publication-and-resolution. What is checked is one document by itself: that
each of its definitions is one. What it refers to in others is not looked at: nothing is known of them here.
"""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.protocol.lexicon.compiler import Compiler
from tempest_pds.protocol.lexicon.documents import MAIN_ONLY, Document, check_document
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.methods import compile_method
from tempest_pds.protocol.lexicon.records import compile_record_schema
from tempest_pds.protocol.lexicon.schema import Schema, part
from tempest_pds.protocol.syntax.language import Language
from tempest_pds.protocol.syntax.nsid import Nsid

SCHEMA_COLLECTION: Final = "com.atproto.lexicon.schema"


def read_published(nsid: Nsid, value: object) -> Document:
    """Take the record under an NSID as the Lexicon document of it; raise BrokenLexicon.

    Args:
        value: in its JSON form.
    """
    if not isinstance(value, dict) or value.get("$type") != SCHEMA_COLLECTION:
        raise BrokenLexicon(f"not a record of the type {SCHEMA_COLLECTION}")
    document = check_document(value)
    if type(document["lexicon"]) is not int or type(document.get("revision", 0)) is not int:
        raise BrokenLexicon("the version of the language and the revision must be numbers")
    if document["id"] != nsid:
        raise BrokenLexicon(f"this is the document of {document['id']}")
    compiler = Compiler(_Alone(nsid, document))
    for name, definition in document["defs"].items():
        _check_definition(nsid, name, definition, compiler)
    return document


class _Alone:
    """One document, and no other."""

    def __init__(self, nsid: str, document: Document) -> None:
        self._nsid = nsid
        self._document = document

    def get(self, nsid: str, /) -> Document | None:
        """Return the document when it is asked for by its name."""
        return self._document if nsid == self._nsid else None


def _check_definition(nsid: str, name: str, definition: Schema, compiler: Compiler) -> None:
    match definition["type"]:
        case "record":
            compile_record_schema(nsid, definition, compiler)
        case "query" | "procedure" | "subscription" as kind:
            compile_method(nsid, kind, definition, compiler)
        case "permission-set":
            _check_permission_set(definition)
        case kind:
            assert kind not in MAIN_ONLY
            compiler.definition(f"{nsid}#{name}", with_defaults=False)


def _check_permission_set(schema: Schema) -> None:
    for text in ("title", "detail", "description"):
        if not isinstance(schema.get(text, ""), str):
            raise BrokenLexicon(f"permission-set: {text} must be a text")
    for texts in ("title:lang", "detail:lang"):
        found = schema.get(texts, {})
        if not isinstance(found, dict) or not all(
            Language.is_valid(language) and isinstance(text, str) for language, text in found.items()
        ):
            raise BrokenLexicon(f"permission-set: {texts} must hold texts by language")
    for permission in part(schema, "permissions", list):
        if not isinstance(permission, dict) or permission.get("type") != "permission":
            raise BrokenLexicon("permission-set: permissions must hold permissions")
        if not part(permission, "resource", str):
            raise BrokenLexicon("permission: resource is empty")
        if not all(_is_param(value) for value in permission.values()):
            raise BrokenLexicon("permission: a value must be a text, a number, true or false, or a list of one of them")


def _is_param(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    kinds = {type(item) for item in values}
    return kinds <= {str} or kinds <= {int} or kinds <= {bool}
