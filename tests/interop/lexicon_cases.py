"""Values for every shipped schema: mostly valid ones made from the schema, and the same spoilt in some places."""

import copy
import random
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.lexicon.compiler import full_name, type_name
from tempest_pds.protocol.lexicon.lexicons import Lexicons

Schema = dict[str, Any]

DAG_CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
RAW_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
FAMILY = "👨‍👩‍👧‍👦"
BLOB = {"$type": "blob", "ref": {"$link": RAW_CID}, "mimeType": "image/png", "size": 500}

FORMATS = {
    "at-identifier": ["alice.test", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "Alice.Test", "alice", "did:plc:"],
    "at-uri": ["at://alice.test/a.b.c/self", "at://did:plc:abc", "at://alice.test/", "at://alice.test/a.b.c/x?y=1"],
    "cid": [
        DAG_CID,
        RAW_CID,
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPyX1",
        "bafy",
        "zb2rhe5P4gXftAwvA4eXQ5HJwsER2",
    ],
    "datetime": ["2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00+01:00", "2024-01-01", "2024-01-01T00:00:00", "2024"],
    "did": ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:example.com", "did:plc", "alice.test"],
    "handle": ["alice.test", "xn--a.test", "ALICE.test", "alice", "did:plc:abc"],
    "language": ["en", "pt-BR", "zh-Hant", "JA", "jaja", "en_US"],
    "nsid": ["app.bsky.feed.post", "a.b.c", "a.b", "a.b.c#d"],
    "record-key": ["self", "3k2yihcrp6f2c", "..", "a/b"],
    "tid": ["3k2yihcrp6f2c", "3k2yihcrp6f2", "zzzzzzzzzzzzz"],
    "uri": ["https://example.com", "did:plc:abc", "nothing", "http://"],
}
JUNK: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 5, (1 << 53) - 1, 1 << 53, -(1 << 53), "", "x", "no", "true", "at://", "a\r\nb"),
    *(
        "é" * 9,
        "é" * 10,
        "ก็" * 5,
        FAMILY,
        FAMILY * 8,
        FAMILY * 9,
        "क्षि" * 8,
        "🇦🇧🇨" * 3,
        "e\u0301" * 5,
        "😀" * 6,
    ),
    *(
        [],
        [1],
        ["x"],
        [None],
        {},
        {"a": 1},
        {"$type": "x"},
        {"$type": ""},
        {"$type": "a#b#c"},
        {"$type": 5},
        {"$type": None},
    ),
    {"$type": "test.tempest.everything#leaf", "value": 1},
    {"$type": "test.tempest.everything#leaf", "value": "1"},
    {"$type": "test.tempest.everything#branch", "right": {"$type": "test.tempest.everything#leaf"}},
    {"$type": "test.tempest.everything", "title": "abc", "count": 1},
    {"$type": "test.tempest.everything#main", "title": "abc", "count": 1},
    *({"$link": DAG_CID}, {"$link": RAW_CID}, {"$bytes": "AAEC"}, {"$bytes": ""}, {"$bytes": "AAECAwQF"}),
    *(
        BLOB,
        {**BLOB, "size": -1},
        {**BLOB, "size": 1000001},
        {**BLOB, "mimeType": "video/mp4"},
        {**BLOB, "mimeType": "image"},
    ),
    *(
        {**BLOB, "extra": 1},
        {**BLOB, "ref": {"$link": DAG_CID}},
        {**BLOB, "ref": RAW_CID},
        {"cid": RAW_CID, "mimeType": "image/png"},
    ),
]


def to_lex(value: Any) -> Any:
    """Read JSON of the data model, leniently: what is not quite a link or bytes stays an object."""
    if isinstance(value, list):
        return [to_lex(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$link"} and isinstance(value["$link"], str):
        return CID.parse(value["$link"])
    if value.keys() == {"$bytes"} and isinstance(value["$bytes"], str):
        return b64decode(value["$bytes"] + "==")
    return {key: to_lex(item) for key, item in value.items()}


class CaseMaker:
    """Makes the values, the same ones for the same seed."""

    def __init__(self, lexicons: Lexicons, seed: str) -> None:
        self.lexicons = lexicons
        self.rng = random.Random(seed)

    def definition(self, nsid: str, name: str = "main") -> Schema:
        document = self.lexicons.document(nsid)
        assert document is not None
        found: Schema = document["defs"][name]
        return found

    def variants(self, nsid: str, schema: Schema, count: int) -> Iterator[Any]:
        """Values of one schema, about a third of them untouched."""
        for index in range(count):
            value = self.value(nsid, schema, 0)
            for _ in range(self.rng.choice((0, 1, 1, 1, 2)) if index else 0):
                value = self.spoilt(value)
            yield value

    def value(self, nsid: str, schema: Schema, depth: int) -> Any:
        rng = self.rng
        match schema["type"]:
            case "record":
                return {"$type": nsid, **self.value(nsid, schema["record"], depth)}
            case "object":
                return self.object(nsid, schema, depth)
            case "array":
                low = schema.get("minLength", 0)
                count = rng.randint(low, max(low, min(3, schema.get("maxLength", 3)))) if depth < 5 else low
                return [self.value(nsid, schema["items"], depth + 1) for _ in range(count)]
            case "string":
                return self.string(schema)
            case "integer":
                low, high = schema.get("minimum", -3), schema.get("maximum", 50)
                return schema.get(
                    "const", rng.choice(schema.get("enum", [low, high, rng.randint(min(low, high), high)]))
                )
            case "boolean":
                return schema.get("const", rng.random() < 0.5)
            case "bytes":
                return {"$bytes": "AAEC"}
            case "cid-link":
                return {"$link": rng.choice((DAG_CID, RAW_CID))}
            case "blob":
                accepted = schema.get("accept", ["image/png"])[0].replace("*", "png")
                return {**BLOB, "mimeType": accepted, "size": min(500, schema.get("maxSize", 500))}
            case "unknown":
                return copy.deepcopy(rng.choice(({}, {"a": [1, {"b": None}]}, {"$type": "x.y.z"}, BLOB)))
            case "ref":
                return self.named(full_name(nsid, schema["ref"]), depth)
            case "union":
                if not schema["refs"] or (rng.random() < 0.1 and not schema.get("closed")):
                    return {"$type": "com.example.other", "x": 1}
                full = full_name(nsid, rng.choice(schema["refs"]))
                return {"$type": type_name(full), **self.named(full, depth)}
            case "token":
                return nsid
        raise AssertionError(schema)

    def named(self, full: str, depth: int) -> Any:
        nsid, _, name = full.partition("#")
        definition = self.definition(nsid, name)
        return type_name(full) if definition["type"] == "token" else self.value(nsid, definition, depth + 1)

    def object(self, nsid: str, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        chance = (0.6, 0.4, 0.25, 0.1)[min(depth, 3)] if depth < 6 else 0
        found = {}
        for key, part in schema.get("properties", {}).items():
            if key in required or self.rng.random() < chance:
                is_null = key in schema.get("nullable", []) and self.rng.random() < 0.2
                found[key] = None if is_null else self.value(nsid, part, depth + 1)
        return found

    def string(self, schema: Schema) -> str:
        for key in ("const", "enum", "knownValues"):
            if key in schema:
                chosen: str = schema[key] if key == "const" else self.rng.choice(schema[key])
                return chosen
        if "format" in schema:
            pool = FORMATS[schema["format"]]
            return pool[0] if self.rng.random() < 0.9 else self.rng.choice(pool)
        shortest = max(schema.get("minLength", 0), schema.get("minGraphemes", 0))
        longest = min(schema.get("maxLength", 12), schema.get("maxGraphemes", 12), 12)
        return "t" * self.rng.randint(shortest, max(shortest, longest))

    def spoilt(self, value: Any) -> Any:
        value = copy.deepcopy(value)
        places = list(_places(value))
        if not places:
            return copy.deepcopy(self.rng.choice(JUNK))
        holder, key = self.rng.choice(places)
        match self.rng.randrange(8):
            case 0 | 1:
                del holder[key]
            case 2 | 3 | 4:
                holder[key] = copy.deepcopy(self.rng.choice(JUNK))
            case 5:
                self._stretch(holder, key)
            case 6 if isinstance(holder, dict):
                holder[self.rng.choice(("$type", "unknown", "size", "cid"))] = copy.deepcopy(self.rng.choice(JUNK))
            case _:
                pool = [text for texts in FORMATS.values() for text in texts]
                holder[key] = self.rng.choice(pool)
        return value

    def _stretch(self, holder: Any, key: Any) -> None:
        old = holder[key]
        match old:
            case bool():
                holder[key] = not old
            case int():
                # Nothing beyond 2**53 that a double cannot hold: JavaScript would round it.
                holder[key] = (
                    self.rng.choice((old - 1, old + 1, old + 100, 1 << 40, 1 << 54)) if abs(old) < 1 << 53 else 0
                )
            case str():
                holder[key] = old + self.rng.choice((" ", "x", "é" * 30, "x" * 640, "x" * 3000, FAMILY * 65, "#main"))
            case list():
                holder[key] = (old or [1]) * self.rng.choice((2, 20, 60))
            case _:
                holder[key] = [old]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every key and index in a value; links and bytes are atoms."""
    if isinstance(value, dict) and value.keys() & {"$link", "$bytes"}:
        return
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
