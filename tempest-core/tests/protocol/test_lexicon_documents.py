"""Documents that an operator adds from a directory."""

import json
from pathlib import Path
from typing import Any

import pytest

from tempest_pds.protocol.lexicon.errors import BrokenLexicon, InvalidRecord
from tempest_pds.protocol.lexicon.lexicons import Lexicons


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "record", "key": "any", "record": {"type": "object", "properties": properties}}


def write(folder: Path, name: str, main: Any, nsid: str = "com.example.thing", **more: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"lexicon": 1, "id": nsid, "defs": {"main": main}, **more}))
    return path


def test_added_documents_are_found_to_any_depth_and_may_refer_to_shipped_ones(tmp_path: Path) -> None:
    write(tmp_path, "a/b/thing.json", record(subject={"type": "ref", "ref": "com.atproto.repo.strongRef"}))
    lexicons = Lexicons([tmp_path])
    lexicons.validate_record("com.example.thing", {"$type": "com.example.thing"})
    with pytest.raises(InvalidRecord):
        lexicons.validate_record("com.example.thing", {"$type": "com.example.thing", "subject": {}})


def test_added_documents_may_refer_to_one_another_in_circles(tmp_path: Path) -> None:
    write(tmp_path, "1.json", record(other={"type": "ref", "ref": "com.example.two"}), "com.example.one")
    write(tmp_path, "2.json", record(other={"type": "ref", "ref": "com.example.one"}), "com.example.two")
    one = {"$type": "com.example.one"}
    lexicons = Lexicons([tmp_path])
    lexicons.validate_record("com.example.one", {**one, "other": {"$type": "com.example.two", "other": one}})


BROKEN_DEFINITIONS = {
    "no such type": {"type": "strin"},
    "no such format": record(x={"type": "string", "format": "date"}),
    "a length that is no number": record(x={"type": "string", "maxLength": "ten"}),
    "an enum that holds no strings": record(x={"type": "string", "enum": [1]}),
    "an array without items": record(x={"type": "array"}),
    "properties that are a list": {"type": "object", "properties": []},
    "a property that is no schema": {"type": "object", "properties": {"x": "string"}},
    "a required property that is not there": {"type": "object", "required": ["x"], "properties": {}},
    "a record without a body": {"type": "record", "key": "tid"},
    "a record key of no known kind": {**record(), "key": "uuid"},
    "a reference to nowhere": record(x={"type": "ref", "ref": "com.example.nowhere"}),
    "a reference to no definition": record(x={"type": "ref", "ref": "#nowhere"}),
    "a union of what is no object": record(x={"type": "union", "refs": ["app.bsky.feed.defs#requestLess"]}),
    "a reference to a method": record(x={"type": "ref", "ref": "com.atproto.repo.getRecord"}),
    "a parameter that is an object": {
        "type": "query",
        "parameters": {"type": "params", "properties": {"x": {"type": "object"}}},
    },
    "an output without an encoding": {"type": "query", "output": {"schema": {"type": "object"}}},
    "an error without a name": {"type": "query", "errors": [{"description": "oops"}]},
    "errors that are names": {"type": "query", "errors": ["Oops"]},
}


@pytest.mark.parametrize("main", BROKEN_DEFINITIONS.values(), ids=BROKEN_DEFINITIONS)
def test_a_broken_definition_is_refused_by_the_name_of_its_file(tmp_path: Path, main: Any) -> None:
    path = write(tmp_path, "broken.json", main)
    with pytest.raises(BrokenLexicon) as caught:
        Lexicons([tmp_path])
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            '{"lexicon": 2, "id": "a.b.c", "defs": {}}',
            '{"lexicon": 1, "id": "a.b", "defs": {}}',
            "\xff",
        ),
        *('{"lexicon": 1, "id": "a.b.c"}', '{"lexicon": 1, "id": "a.b.c", "defs": {"main": 1}}', "[" * 100_000),
        '{"lexicon": 1, "id": "a.b.c", "defs": {"x": {"type": "query"}}}',
    ],
)
def test_a_file_that_is_no_document_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BrokenLexicon) as caught:
        Lexicons([tmp_path])
    assert str(caught.value).startswith(f"{path}: ")


def test_two_documents_of_one_name_are_refused_by_the_names_of_both_files(tmp_path: Path) -> None:
    first, second = write(tmp_path, "1.json", record()), write(tmp_path, "2.json", record())
    with pytest.raises(BrokenLexicon) as caught:
        Lexicons([tmp_path])
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_a_shipped_document_cannot_be_replaced(tmp_path: Path) -> None:
    write(tmp_path, "post.json", record(), "app.bsky.feed.post")
    with pytest.raises(BrokenLexicon, match=r"app\.bsky\.feed\.post"):
        Lexicons([tmp_path])


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenLexicon, match="nowhere"):
        Lexicons([tmp_path / "nowhere"])
