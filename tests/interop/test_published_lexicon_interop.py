"""Lexicon documents that others publish: the verdicts of the reference's resolver."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import RunNode

from tempest_pds.protocol.lexicon import documents
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.published import read_published
from tempest_pds.protocol.syntax.nsid import Nsid

SCRIPT = Path(__file__).with_name("lexicon_document_verdicts.mjs")
NSID = Nsid.parse("com.example.thing")
PERMISSION: dict[str, Any] = {"type": "permission", "resource": "repo", "collection": ["com.example.event"]}
PERMISSIONS: dict[str, Any] = {
    "type": "permission-set",
    "title": "A thing",
    "title:lang": {"de": "Ein Ding", "pt-BR": "Uma coisa"},
    "detail": "",
    "detail:lang": {},
    "permissions": [PERMISSION],
}
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    "",
    "x",
    "de",
    [],
    ["x"],
    ["x", 1],
    [1, 2],
    [True],
    [True, 1],
    [[]],
    [None],
    {},
    {"x": 1},
    {"de": "x"},
]
ODD: list[Any] = [
    {"type": "permission-set"},
    {"type": "token"},
    {"type": "permission"},
    {"type": "string", "format": "other"},
    {"type": "string", "knownValues": ["a"], "maxGraphemes": 3},
    {"type": "string", "enum": [1]},
    {"type": "array"},
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"x": {"type": "unknown"}}, "required": ["y"]},
    {"type": "record", "key": "tid", "record": {"type": "object", "properties": {}}},
    {"type": "record", "key": "other", "record": {"type": "object", "properties": {}}},
    {"type": "query"},
    {"type": "query", "parameters": {"type": "params", "properties": {"x": {"type": "blob"}}}},
    {"type": "procedure", "input": {"schema": {"type": "object"}}},
    {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#x"]}}},
]
# Those that describe no permissions are read as the documents that an operator adds are: laxer in what changes nothing.
LAXER: list[Any] = [
    {"type": "token", "description": 1},
    {"type": "object"},
    {"type": "record", "record": {"type": "object", "properties": {}}},
]


def document(main: Any, **more: Any) -> dict[str, Any]:
    made = {"$type": "com.atproto.lexicon.schema", "lexicon": 1, "id": str(NSID), "defs": {"main": main}}
    return {**made, **more}


def ours(case: dict[str, Any]) -> bool:
    try:
        read_published(Nsid.parse(case["id"]), case)
    except BrokenLexicon:
        return False
    return True


def compare(run_node: RunNode, cases: list[dict[str, Any]]) -> list[tuple[dict[str, Any], bool]]:
    """Give the cases on which the two differ, with our verdict."""
    verdicts = [(case, ours(case)) for case in cases]
    theirs = run_node(SCRIPT, cases)
    return [(case, we) for (case, we), they in zip(verdicts, theirs, strict=True) if we != they["ok"]]


def test_permission_sets_have_the_verdicts_of_the_reference(run_node: RunNode) -> None:
    cases = [document(PERMISSIONS)]
    for junk in JUNK:
        cases += [document({**PERMISSIONS, key: junk}) for key in (*PERMISSIONS, "description", "other")]
        changed = [{**PERMISSION, key: junk} for key in (*PERMISSION, "aud", "description")]
        cases += [document({**PERMISSIONS, "permissions": [permission]}) for permission in changed]
    assert compare(run_node, cases) == []
    assert {ours(case) for case in cases} == {True, False}


def test_other_documents_have_the_verdicts_of_the_reference(run_node: RunNode) -> None:
    shipped = [json.loads(path.read_bytes()) for path in Path(documents.__file__).with_name("data").glob("*.json")]
    cases = [{"$type": "com.atproto.lexicon.schema", **found} for found in shipped]
    cases += [document(main) for main in ODD]
    cases += [document(PERMISSIONS, **{key: junk}) for junk in JUNK for key in ("lexicon", "revision")]
    cases += [document({"type": "token"}, defs={"x": main}) for main in (*ODD, PERMISSIONS)]
    empty = document(None, defs={})
    laxer = [document(main) for main in LAXER]
    # One that defines nothing is of no use to anybody.
    assert compare(run_node, [*cases, *laxer, empty]) == [*((case, True) for case in laxer), (empty, False)]
