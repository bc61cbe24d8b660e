"""Lexicon documents of strangers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tempest_pds.protocol.lexicon
from tempest_pds.protocol.data_model import dag_cbor, lex_json
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.published import SCHEMA_COLLECTION, read_published
from tempest_pds.protocol.syntax.nsid import Nsid

NSID = Nsid.parse("com.example.thing")
PERMISSION = {"type": "permission", "resource": "rpc", "lxm": ["com.example.call"], "inheritAud": True}
SHIPPED = sorted(Path(tempest_pds.protocol.lexicon.__file__).with_name("data").glob("*.json"))


def read(main: Any) -> dict[str, Any]:
    return read_published(NSID, {"$type": SCHEMA_COLLECTION, "lexicon": 1, "id": str(NSID), "defs": {"main": main}})


def test_each_document_that_the_network_has_published_so_far_is_one() -> None:
    for path in SHIPPED:
        document = json.loads(path.read_bytes())
        assert read_published(Nsid.parse(path.stem), {"$type": SCHEMA_COLLECTION, **document})["id"] == path.stem


def test_a_reference_to_a_document_that_is_not_here_is_not_followed() -> None:
    reference = {"type": "ref", "ref": "com.example.nowhere#some"}
    read({"type": "object", "properties": {"some": reference}})


@pytest.mark.parametrize(
    "broken",
    [
        {"permissions": None},
        {"permissions": {}},
        {"permissions": ["repo"]},
        {"permissions": [{**PERMISSION, "type": "other"}]},
        {"permissions": [{"type": "permission"}]},
        {"permissions": [{**PERMISSION, "resource": ""}]},
        {"permissions": [{**PERMISSION, "resource": 1}]},
        {"permissions": [{**PERMISSION, "aud": {}}]},
        {"permissions": [{**PERMISSION, "aud": [["*"]]}]},
        {"permissions": [{**PERMISSION, "aud": None}]},
        {"title": 1},
        {"detail:lang": {"de": 1}},
        {"detail:lang": {"not a language": "x"}},
    ],
)
def test_a_permission_set_of_another_shape_is_refused(broken: dict[str, Any]) -> None:
    sound = {"type": "permission-set", "title": "x", "detail:lang": {"de": "y"}, "permissions": [PERMISSION]}
    read(sound)
    with pytest.raises(BrokenLexicon):
        read({**sound, **broken})


@pytest.mark.parametrize("value", [None, [], "x", {}, {"$type": SCHEMA_COLLECTION}])
def test_a_record_that_is_no_document_is_refused(value: object) -> None:
    with pytest.raises(BrokenLexicon):
        read_published(NSID, value)


def test_a_document_of_another_name_is_refused() -> None:
    document = {"$type": SCHEMA_COLLECTION, "lexicon": 1, "id": "com.example.other", "defs": {"x": {"type": "token"}}}
    with pytest.raises(BrokenLexicon):
        read_published(NSID, document)


def test_a_document_as_deep_as_a_record_can_be_is_read() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    read(lex_json.to_json(dag_cbor.decode(dag_cbor.encode(schema))))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["string", "array", "x", "", "#main"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "x", "items"]), inner),
    max_leaves=4,
)


@given(st.data())
def test_a_document_with_anything_in_any_place_is_taken_or_refused(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(SHIPPED))
    document = {"$type": SCHEMA_COLLECTION, **json.loads(path.read_bytes())}
    node: Any = document["defs"]
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not node[key] or not isinstance(node[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            node[key] = data.draw(VALUES)
            break
        node = node[key]
    try:
        read_published(Nsid.parse(path.stem), document)
    except BrokenLexicon:
        return
