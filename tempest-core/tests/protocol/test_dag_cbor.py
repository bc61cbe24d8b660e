"""Both DAG-CBOR codecs: the same bytes, the same values and the same refusals."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tempest_pds.protocol.data_model import _dag_cbor_portable, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.syntax.did import Did

try:
    from tempest_pds.protocol.data_model import _dag_cbor_speed
except ImportError:
    CODECS: dict[str, ModuleType] = {"portable": _dag_cbor_portable}
else:
    CODECS = {"portable": _dag_cbor_portable, "speed": _dag_cbor_speed}

REFUSED = object()

links = st.builds(CID.for_dag_cbor, st.binary(max_size=8)) | st.builds(CID.for_raw, st.binary(max_size=8))
heads = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, MAX_INTEGER, MIN_INTEGER, -24, -25, -256, -257]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.sampled_from(heads)
    | st.text()
    | st.binary()
    | links
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=30), inner), max_leaves=30
)

LINK = "d82a58250001711220" + "00" * 32
RAW_LINK = "d82a58250001551220" + "00" * 32


@pytest.fixture(params=CODECS.values(), ids=CODECS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def verdict(codec: ModuleType, data: bytes) -> Any:
    try:
        return codec.decode(data)
    except InvalidEncoding:
        return REFUSED


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, "f6"),
        (True, "f5"),
        (False, "f4"),
        (0, "00"),
        (-1, "20"),
        (24, "1818"),
        (MAX_INTEGER, "1b7fffffffffffffff"),
        (MIN_INTEGER, "3b7fffffffffffffff"),
        ("", "60"),
        ("é", "62c3a9"),
        (b"\x01", "4101"),
        ([1, [2]], "82018102"),
        ({"b": 1, "aa": 2, "a": 3}, "a36161036162016261" + "6102"),
        (CID.decode(bytes.fromhex("01711220" + "00" * 32)), LINK),
        (CID.decode(bytes.fromhex("01551220" + "00" * 32)), RAW_LINK),
    ],
)
def test_a_value_has_one_encoding(codec: ModuleType, value: LexValue, encoded: str) -> None:
    assert codec.encode(value).hex() == encoded
    assert codec.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("", id="nothing"),
        pytest.param("0000", id="trailing byte"),
        pytest.param("1817", id="integer in two bytes that fits one"),
        pytest.param("1900ff", id="integer in three bytes that fits two"),
        pytest.param("1a0000ffff", id="integer in five bytes that fits three"),
        pytest.param("1b00000000ffffffff", id="integer in nine bytes that fits five"),
        pytest.param("1b8000000000000000", id="integer of 65 bits"),
        pytest.param("3b8000000000000000", id="negative integer of 65 bits"),
        pytest.param("781561616161616161616161616161616161616161" + "6161", id="long form of a short length"),
        pytest.param("5818" + "00" * 23, id="bytes cut short"),
        pytest.param("62c328", id="not UTF-8"),
        pytest.param("63eda080", id="surrogate in UTF-8"),
        pytest.param("62c080", id="overlong UTF-8"),
        pytest.param("5f4100ff", id="indefinite bytes"),
        pytest.param("7f6161ff", id="indefinite text"),
        pytest.param("9f01ff", id="indefinite list"),
        pytest.param("bf616101ff", id="indefinite map"),
        pytest.param("ff", id="break alone"),
        pytest.param("1c", id="reserved length"),
        pytest.param("a2616201616101", id="keys unsorted"),
        pytest.param("a262616101616201", id="longer key first"),
        pytest.param("a2616101616102", id="key twice"),
        pytest.param("a10101", id="integer key"),
        pytest.param("a1416101", id="bytes as key"),
        pytest.param("a1f601", id="null as key"),
        pytest.param("a16161", id="value missing"),
        pytest.param("f90000", id="half float"),
        pytest.param("fa00000000", id="single float"),
        pytest.param("fb3ff8000000000000", id="double float"),
        pytest.param("fb7ff8000000000000", id="NaN"),
        pytest.param("fb7ff0000000000000", id="infinity"),
        pytest.param("81fb0000000000000000", id="float in a list"),
        pytest.param("f7", id="undefined"),
        pytest.param("e0", id="simple value"),
        pytest.param("f8ff", id="simple value in two bytes"),
        pytest.param("f820", id="simple value 32"),
        pytest.param("c000", id="tag 0"),
        pytest.param("c24101", id="big integer"),
        pytest.param("d81c80", id="tag of a shared value"),
        pytest.param("d82a00", id="link that is no bytes"),
        pytest.param("d82a4100", id="link with no CID"),
        pytest.param("d82a5824" + "01711220" + "00" * 32, id="link without its zero byte"),
        pytest.param("d82a58250101711220" + "00" * 32, id="link with another first byte"),
        pytest.param("d82a58250002711220" + "00" * 32, id="CIDv2"),
        pytest.param("d82a58250001701220" + "00" * 32, id="CID of DAG-PB"),
        pytest.param("d82a58250001711320" + "00" * 32, id="CID with SHA-512"),
        pytest.param("d82a582400017112" + "00" * 33, id="CID cut short"),
        pytest.param("d82a5823001220" + "00" * 32, id="CIDv0"),
        pytest.param("d9002a58250001711220" + "00" * 32, id="long form of tag 42"),
        pytest.param("d82a5900250001711220" + "00" * 32, id="long form of a link's length"),
        pytest.param("9b7fffffffffffffff", id="list of many"),
        pytest.param("bb7fffffffffffffff", id="map of many"),
        pytest.param("5b7fffffffffffffff", id="bytes of many"),
        pytest.param("7b7fffffffffffffff", id="text of many"),
        pytest.param("9affffffff00", id="list of many with one"),
    ],
)
def test_what_is_not_canonical_is_refused(codec: ModuleType, encoded: str) -> None:
    with pytest.raises(InvalidEncoding):
        codec.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        [1.5],
        {"a": 1.0},
        MAX_INTEGER + 1,
        MIN_INTEGER - 1,
        [2**70],
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {None: 2},
        (1, 2),
        {1},
        bytearray(b"a"),
        object(),
    ],
    ids=lambda value: "object" if type(value) is object else repr(value),
)
def test_what_the_data_model_has_not_is_not_encoded(codec: ModuleType, value: Any) -> None:
    with pytest.raises(InvalidEncoding):
        codec.encode(value)


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}], ids=["lists", "maps"])
def test_depth_is_bounded(codec: ModuleType, wrap: Any) -> None:
    value: Any = CID.for_raw(b"")
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert codec.decode(codec.encode(value)) == value
    deeper = wrap(value)
    with pytest.raises(InvalidEncoding):
        codec.encode(deeper)
    inner = codec.encode(value)
    with pytest.raises(InvalidEncoding):
        codec.decode((b"\x81" if isinstance(deeper, list) else b"\xa1\x61\x61") + inner)


def test_a_bomb_of_lists_is_refused(codec: ModuleType) -> None:
    with pytest.raises(InvalidEncoding):
        codec.decode(b"\x81" * 1_000_000 + b"\x00")


def test_identifiers_are_encoded_as_strings(codec: ModuleType) -> None:
    assert codec.encode({"did": Did("did:web:a")}) == codec.encode({"did": "did:web:a"})


def test_the_front_takes_the_fastest_codec_that_is_installed() -> None:
    fastest = CODECS.get("speed", _dag_cbor_portable)
    assert dag_cbor.encode is fastest.encode
    assert dag_cbor.decode is fastest.decode


@given(values)
def test_values_survive_and_both_codecs_agree(value: LexValue) -> None:
    data = _dag_cbor_portable.encode(value)
    for codec in CODECS.values():
        assert codec.encode(value) == data
        assert codec.decode(data) == value


@settings(max_examples=300)
@given(values, st.data())
def test_both_codecs_judge_mutants_alike(value: LexValue, data: st.DataObject) -> None:
    block = bytearray(_dag_cbor_portable.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(block)))
        match data.draw(st.sampled_from(["set", "insert", "delete"])):
            case "set" if position < len(block):
                block[position] = data.draw(st.integers(0, 255))
            case "insert":
                block[position:position] = data.draw(st.binary(min_size=1, max_size=4))
            case _:
                del block[position : position + 1]
    mutant = bytes(block)
    result = verdict(_dag_cbor_portable, mutant)
    assert all(verdict(codec, mutant) == result for codec in CODECS.values())
    if result is not REFUSED:
        assert _dag_cbor_portable.encode(result) == mutant


@settings(max_examples=500)
@given(st.binary(max_size=40))
@example(b"\xa1\x60\x18\x18")
@example(b"\xa2\x60\x00\x60\x00")
def test_any_bytes_are_judged_alike(data: bytes) -> None:
    result = verdict(_dag_cbor_portable, data)
    assert all(verdict(codec, data) == result for codec in CODECS.values())
    if result is not REFUSED:
        assert _dag_cbor_portable.encode(result) == data


@given(values)
def test_another_library_reads_what_is_written(value: LexValue) -> None:
    oracle = pytest.importorskip("dag_cbor")

    def plain(item: Any) -> Any:
        if isinstance(item, list):
            return [plain(inner) for inner in item]
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return bytes(item) if type(item).__name__ == "CID" else item

    assert plain(oracle.decode(_dag_cbor_portable.encode(value))) == plain(value)
