"""The Lexicon documents at hand: those in the package, and those an operator adds in directories.

The package holds some 400 documents. None is read before it is asked for, and only the latest few are kept: once
compiled, a definition no longer needs its document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.syntax.nsid import Nsid

_SHIPPED: Final = Path(__file__).with_name("data")
_KEPT: Final = 32
# Only the main definition of a document may be one of these, because nothing but its NSID can name them.
MAIN_ONLY: Final = {"record", "query", "procedure", "subscription", "permission-set"}

Document = dict[str, Any]


class Documents:
    """Finds a document by its NSID."""

    def __init__(self, extra_directories: Sequence[Path] = ()) -> None:
        """List the shipped documents and read the added ones; raise BrokenLexicon, which names the file."""
        self._shipped = frozenset(path.stem for path in _SHIPPED.glob("*.json"))
        self._added: dict[str, Document] = {}
        self._files: dict[str, Path] = {}
        self._read_shipped = lru_cache(maxsize=_KEPT)(_read_shipped)
        for directory in extra_directories:
            self._add_directory(directory)

    def _add_directory(self, directory: Path) -> None:
        if not directory.is_dir():
            raise BrokenLexicon(f"{directory}: not a directory of Lexicon documents")
        for path in sorted(directory.rglob("*.json")):
            document = _read_added(path)
            nsid = document["id"]
            if nsid in self:
                other = self._files.get(nsid, "Tempest itself")
                raise BrokenLexicon(f"{path}: a document {nsid} comes with {other} already")
            self._added[nsid] = document
            self._files[nsid] = path

    def __contains__(self, nsid: object) -> bool:
        return nsid in self._shipped or nsid in self._added

    def __iter__(self) -> Iterator[str]:
        yield from sorted(self._shipped)
        yield from self._added

    @property
    def added(self) -> dict[str, Path]:
        """The files of the added documents by NSID."""
        return dict(self._files)

    def get(self, nsid: str) -> Document | None:
        """Return a document, or None when there is none; it is shared, so leave it as it is."""
        if nsid in self._shipped:
            return self._read_shipped(nsid)
        return self._added.get(nsid)


def _read_shipped(nsid: str) -> Document:
    document: Document = json.loads((_SHIPPED / f"{nsid}.json").read_bytes())
    return document


def check_document(document: object) -> Document:
    """Take parsed JSON as a document whose definitions have a type; raise BrokenLexicon."""
    if not isinstance(document, dict) or document.get("lexicon") != 1:
        raise BrokenLexicon('not a Lexicon document: it lacks "lexicon": 1')
    nsid, definitions = document.get("id"), document.get("defs")
    if not isinstance(nsid, str) or not Nsid.is_valid(nsid):
        raise BrokenLexicon('"id" is not an NSID')
    if not isinstance(definitions, dict) or not definitions:
        raise BrokenLexicon('"defs" holds no definitions')
    for name, definition in definitions.items():
        if not isinstance(definition, dict) or not isinstance(definition.get("type"), str):
            raise BrokenLexicon(f"{nsid}#{name} has no type")
        if name != "main" and definition["type"] in MAIN_ONLY:
            raise BrokenLexicon(f"{nsid}#{name} is a {definition['type']}, which only the main definition may be")
    return document


def _read_added(path: Path) -> Document:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise BrokenLexicon(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BrokenLexicon(f"{path}: not JSON: {error}") from error
    try:
        return check_document(document)
    except BrokenLexicon as error:
        raise BrokenLexicon(f"{path}: {error}") from error
