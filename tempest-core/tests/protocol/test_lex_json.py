"""The JSON form of the data model, with and without the fast libraries."""

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempest_pds.protocol.data_model import _lex_json_portable, dag_cbor, lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

try:
    from tempest_pds.protocol.data_model import _lex_json_speed
except ImportError:
    MODULES: dict[str, ModuleType] = {"portable": _lex_json_portable}
else:
    MODULES = {"portable": _lex_json_portable, "speed": _lex_json_speed}

CID_TEXT = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"

links = st.builds(CID.for_dag_cbor, st.binary(max_size=8)) | st.builds(CID.for_raw, st.binary(max_size=8))
scalars = st.none() | st.booleans() | st.integers(MIN_INTEGER, MAX_INTEGER) | st.text() | st.binary() | links
keys = st.text(max_size=20).filter(lambda key: key not in ("$link", "$bytes"))
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=25)


@pytest.fixture(params=MODULES.values(), ids=MODULES)
def text_module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(lex_json, "_text", request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.mark.usefixtures("text_module")
def test_links_and_bytes_are_objects_with_one_key() -> None:
    value: LexValue = {"ref": CID.parse(CID_TEXT), "sig": b"\x01\x02", "list": [b"", None, True, 1, "é"]}
    text = lex_json.dumps(value)
    assert json.loads(text) == {
        "ref": {"$link": CID_TEXT},
        "sig": {"$bytes": "AQI"},
        "list": [{"$bytes": ""}, None, True, 1, "é"],
    }
    assert lex_json.loads(text) == value
    assert lex_json.to_json(value) == json.loads(text)


@pytest.mark.usefixtures("text_module")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"$bytes": "AQI="}', b"\x01\x02"),
        ('{"$bytes": "AQI"}', b"\x01\x02"),
        ("1.0", 1),
        ("-0", 0),
        ("-0.0", 0),
        ("1e3", 1000),
        ("9223372036854775807", MAX_INTEGER),
        ("-9223372036854775808", MIN_INTEGER),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('"\\ud83d\\ude00"', "😀"),
        (" [ ] ", []),
        ('{"$type": "x"}', {"$type": "x"}),
    ],
)
def test_json_is_read(text: str, value: LexValue) -> None:
    assert lex_json.loads(text) == value
    assert lex_json.loads(text.encode()) == value


@pytest.mark.usefixtures("text_module")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "[1,]",
        "01",
        "NaN",
        "Infinity",
        "-Infinity",
        "1.5",
        "1e-1",
        "1e400",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "9007199254740993.0",
        "1" * 5000,
        '"\\ud800"',
        '["\\udc00\\ud800"]',
        '{"\\ud800": 1}',
        '{"$link": 1}',
        '{"$link": "bafy"}',
        '{"$link": "' + CID_TEXT + '", "more": 1}',
        '{"$link": null}',
        '{"$bytes": 1}',
        '{"$bytes": "AQI=="}',
        '{"$bytes": "A"}',
        '{"$bytes": "AQ-_"}',
        '{"$bytes": "AQ I"}',
        '{"$bytes": "AQI=", "more": 1}',
        '{"a": [{"$bytes": "é"}]}',
        "\ufeff1",
        '"\x01"',
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidEncoding):
        lex_json.loads(text)
    with pytest.raises(InvalidEncoding):
        lex_json.loads(text.encode())


@pytest.mark.usefixtures("text_module")
@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', '"é"'.encode("utf-16"), b"\xef\xbb\xbf1"])
def test_other_bytes_than_utf_8_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        lex_json.loads(data)


@pytest.mark.usefixtures("text_module")
def test_what_has_no_form_in_json_is_not_written() -> None:
    for value in (object(), "\ud800", {"a": {1}}):
        with pytest.raises(InvalidEncoding):
            lex_json.dumps(value)  # type: ignore[arg-type]


@given(values)
def test_both_write_the_same_text_and_it_reads_back(value: LexValue) -> None:
    text = _lex_json_portable.dumps(value)
    assert all(module.dumps(value) == text for module in MODULES.values())
    assert lex_json.loads(text) == value
    assert json.dumps(lex_json.to_json(value), ensure_ascii=False, separators=(",", ":")).encode() == text


@given(values)
def test_the_short_way_from_cbor_to_json_is_the_long_way(value: LexValue) -> None:
    block = dag_cbor.encode(value)
    expected = _lex_json_portable.dumps(dag_cbor.decode(block))
    assert all(module.cbor_to_json(block) == expected for module in MODULES.values())
    assert lex_json.cbor_to_json(block) == expected


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_short_way_has_the_same_limit_of_depth(depth: int) -> None:
    block = b"\x81" * depth + dag_cbor.encode(CID.for_raw(b""))
    for module in MODULES.values():
        if depth > MAX_DEPTH:
            with pytest.raises(InvalidEncoding):
                module.cbor_to_json(block)
        else:
            assert module.cbor_to_json(block) == _lex_json_portable.cbor_to_json(block)


@settings(max_examples=300)
@given(values, st.data())
def test_the_short_way_refuses_the_same_mutants(value: LexValue, data: st.DataObject) -> None:
    block = bytearray(dag_cbor.encode(value))
    position = data.draw(st.integers(0, len(block) - 1))
    block[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    results: list[Any] = []
    for module in MODULES.values():
        try:
            results.append(module.cbor_to_json(bytes(block)))
        except InvalidEncoding:
            results.append(None)
    assert all(result == results[0] for result in results)


@settings(max_examples=300)
@given(st.text(alphabet='[]{}",:0123456789.eE+-truefalsn\\ud8 $link', max_size=30))
def test_both_parsers_judge_alike(text: str) -> None:
    results: list[Any] = []
    for module in MODULES.values():
        try:
            results.append(lex_json.from_json(module.parse(text)))
        except InvalidEncoding:
            results.append(None)
    assert all(result == results[0] for result in results)
