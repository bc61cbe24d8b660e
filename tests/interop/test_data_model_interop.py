"""DAG-CBOR, JSON and CARs: bytes and verdicts of `@atproto/lex-cbor`, `@atproto/lex-json` and `@atproto/repo`."""

import json
import random
import re
import string
from pathlib import Path
from typing import Any

from tests.conftest import RunNode

from tempest_pds.protocol.data_model import _dag_cbor_portable, car, dag_cbor, lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

SCRIPT = Path(__file__).parent / "data_model_verdicts.mjs"
CASES = 3000
URL_SAFE_BASE64 = re.compile(r'"\$bytes": *"[^"]*[-_]')
MAX_SAFE_INTEGER = 2**53 - 1

INTEGERS = [0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, MAX_SAFE_INTEGER, MAX_INTEGER, MIN_INTEGER]
TEXTS = ["", "a", "$type", "app.bsky.feed.post", "é", "日本語", "😀", "\x00", '"\\/\b\f\n\r\t', "\u2028"]
TEXTS += ["x" * 24, "y" * 300]
JSON_SHARDS = ["0", ".5", ".0", "e2", "1e400", '"', ",", "\\ud800", "null", " "]


def make_value(chance: random.Random, depth: int = 0, *, wide: bool = True) -> LexValue:
    kind = chance.randrange(10 if depth < 4 else 7)
    match kind:
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2 | 3:
            number = chance.choice(INTEGERS) if chance.random() < 0.5 else chance.randrange(-(2**40), 2**40)
            return number if wide else max(-MAX_SAFE_INTEGER, min(MAX_SAFE_INTEGER, number))
        case 4:
            return make_text(chance)
        case 5:
            return chance.randbytes(chance.choice([0, 1, 2, 3, 23, 24, 64, 300]))
        case 6:
            data = chance.randbytes(4)
            return CID.for_raw(data) if chance.random() < 0.5 else CID.for_dag_cbor(data)
        case 7:
            return [make_value(chance, depth + 1, wide=wide) for _ in range(chance.randrange(6))]
        case _:
            return {
                make_text(chance).replace("$", "_"): make_value(chance, depth + 1, wide=wide)
                for _ in range(chance.randrange(7))
            }


def make_text(chance: random.Random) -> str:
    if chance.random() < 0.4:
        return chance.choice(TEXTS)
    return "".join(chance.choices(string.ascii_letters + "éß日😀 :/;", k=chance.randrange(30)))


def mutate(chance: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        position = chance.randrange(len(mutant) + 1)
        match chance.randrange(4):
            case 0 if position < len(mutant):
                mutant[position] = chance.randrange(256)
            case 1 if position < len(mutant):
                mutant[position] ^= 1 << chance.randrange(8)
            case 2:
                mutant.insert(position, chance.choice([0x00, 0x18, 0x60, 0x80, 0xA0, 0xF6, 0xF7, 0xFB, 0xFF]))
            case _:
                del mutant[position : position + 1]
    return bytes(mutant)


def decoded(data: bytes) -> Any:
    """The value as a list of one, or none; both codecs agree."""
    results: list[list[LexValue]] = []
    for codec in (dag_cbor, _dag_cbor_portable):
        try:
            results.append([codec.decode(data)])
        except InvalidEncoding:
            results.append([])
    assert results[0] == results[1]
    return results[0]


def test_cbor_has_the_same_bytes_and_json(run_node: RunNode) -> None:
    chance = random.Random(1)
    blocks = [dag_cbor.encode(make_value(chance)) for _ in range(CASES)]
    verdicts = run_node(SCRIPT, [{"do": "cbor", "data": block.hex()} for block in blocks])
    compared = 0
    for block, verdict in zip(blocks, verdicts, strict=True):
        ok = verdict["ok"]
        assert ok["inModel"]
        assert ok["again"] == block.hex()
        if ok["json"] is not None:  # the reference has no JSON for integers beyond 53 bits
            compared += 1
            assert json.loads(lex_json.cbor_to_json(block)) == json.loads(ok["json"])
    assert compared > CASES // 2


def test_cbor_mutants_are_taken_where_the_reference_would_write_them_so(run_node: RunNode) -> None:
    chance = random.Random(2)
    mutants = [mutate(chance, dag_cbor.encode(make_value(chance, 1))) for _ in range(CASES * 2)]
    verdicts = run_node(SCRIPT, [{"do": "cbor", "data": mutant.hex()} for mutant in mutants])
    taken = 0
    for mutant, verdict in zip(mutants, verdicts, strict=True):
        ok = verdict.get("ok")
        expected = ok is not None and ok["inModel"] and ok["again"] == mutant.hex()
        assert bool(decoded(mutant)) == expected, (mutant.hex(), verdict)
        taken += expected
    assert 100 < taken < len(mutants) - 100


def json_case(chance: random.Random) -> str:
    text = lex_json.dumps({"v": make_value(chance, 1, wide=False)}).decode()
    if chance.random() < 0.3:
        return text
    characters = list(text)
    for _ in range(chance.randrange(1, 3)):
        position = chance.randrange(len(characters))
        match chance.randrange(3):
            case 0:
                characters[position] = chance.choice('0123456789-+.eE{}[]",:ab \\u=')
            case 1:
                characters.insert(position, chance.choice(JSON_SHARDS))
            case _:
                del characters[position]
    return "".join(characters)


def test_json_is_read_alike(run_node: RunNode) -> None:
    chance = random.Random(3)
    texts = [json_case(chance) for _ in range(CASES * 2)] + [
        '{"$link":"bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"}',
        '{"$link":"bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq","a":1}',
        '{"$link":"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"}',
        '{"$link":""}',
        '{"$link":1}',
        '{"$bytes":"AQ","$link":"x"}',
        '{"$bytes":"AQI="}',
        '{"$bytes":"AQI"}',
        '{"$bytes":"AQI=="}',
        '{"$bytes":"AR"}',
        '{"$bytes":"A"}',
        '{"$bytes":""}',
        '{"$bytes":null}',
        "9007199254740991",
        "9007199254740992",
        "1.0",
        "-0",
        "1e2",
        "1.5",
        '{"a":1,"a":2}',
        '{"10":1,"9":2,"b":3,"a":4}',
    ]
    verdicts = run_node(SCRIPT, [{"do": "json", "text": text} for text in texts])
    taken = 0
    for text, verdict in zip(texts, verdicts, strict=True):
        if URL_SAFE_BASE64.search(text):
            continue  # Node's base64 takes the other alphabet too; the specification names this one only
        ok = verdict.get("ok")
        expected = ok["cbor"] if ok is not None and ok["inModel"] else None
        try:
            value = lex_json.loads(text)
        except InvalidEncoding:
            found = None
        else:
            if has_wide_integer(value):
                continue  # integers of 64 bits are in the model, and beyond JavaScript
            found = dag_cbor.encode(value).hex()
        assert found == expected, (text, verdict)
        taken += found is not None
    assert 1000 < taken < len(texts) - 1000


def has_wide_integer(value: LexValue) -> bool:
    if isinstance(value, dict):
        return any(map(has_wide_integer, value.values()))
    if isinstance(value, list):
        return any(map(has_wide_integer, value))
    return isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER


def make_car(chance: random.Random) -> bytes:
    blocks = [(dag_cbor.encode(make_value(chance, 3))) for _ in range(chance.randrange(5))]
    named = [(CID.for_dag_cbor(block), block) for block in blocks]
    root = named[0][0] if named and chance.random() < 0.9 else None
    return car.encode(root, named)


def test_cars_are_read_and_written_alike(run_node: RunNode) -> None:
    chance = random.Random(4)
    cars = [make_car(chance) for _ in range(300)]
    cars += [mutate(chance, make_car(chance)) for _ in range(1500)]
    verdicts = run_node(SCRIPT, [{"do": "car", "data": data.hex()} for data in cars])
    taken = 0
    for data, verdict in zip(cars, verdicts, strict=True):
        ok = verdict.get("ok")
        try:
            roots, blocks = car.iter_blocks(data)
            found: Any = ([str(root) for root in roots], [[str(cid), block.hex()] for cid, block in blocks])
        except InvalidEncoding:
            found = None
        if ok is not None and ok["inModel"] and ok["again"] == data.hex():
            assert found == (ok["roots"], ok["blocks"])
            taken += 1
        else:
            assert found is None, (data.hex(), verdict)
    assert 300 <= taken < 1700
