"""Lexicon validation: the verdicts, messages and defaults of the reference, over every shipped schema.

The reference has two validators. Its PDS checks requests and new records with `@atproto/lex-schema`: that is the one
to equal. `@atproto/lexicon`, which it used before, is laxer; where the two differ, the test says how.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunNode
from tests.interop.lexicon_cases import FORMATS, JUNK, CaseMaker, to_lex

from tempest_pds.protocol.lexicon.errors import InvalidInput, InvalidOutput, InvalidParams, InvalidRecord
from tempest_pds.protocol.lexicon.lexicons import Lexicons

HERE = Path(__file__).parent
SCRIPT = HERE / "lexicon_verdicts.mjs"
OWN = "test.tempest."

Case = dict[str, Any]


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    return Lexicons([HERE / "lexicons"])


def ours(lexicons: Lexicons, case: Case) -> dict[str, Any]:
    nsid, value = case["nsid"], case["value"]
    method, record = lexicons.method(nsid), lexicons.record(nsid)
    try:
        match case["kind"]:
            case "record":
                assert record is not None
                record.validate(to_lex(value))
            case "key":
                assert record is not None
                record.validate_key(value)
            case "output":
                assert method is not None
                method.validate_output(to_lex(value))
            case "input":
                assert method is not None
                return {"ok": method.parse_input(to_lex(value))}
            case "params":
                assert method is not None
                return {"ok": method.parse_params([(name, text) for name, text in value])}
    except (InvalidRecord, InvalidInput, InvalidOutput, InvalidParams) as error:
        return {"error": str(error), "message": error.message, "path": error.path}
    return {"ok": True}


def differences(cases: list[Case], found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[Any]:
    return [
        (case, we, they["pds"])
        for case, we, they in zip(cases, found, expected, strict=True)
        if ("ok" in we) != ("ok" in they["pds"]) and not is_link_for_string(we)
    ]


def is_link_for_string(verdict: dict[str, Any]) -> bool:
    """The reference turns a link into text where an input wants a string. We say that it is no string."""
    return verdict.get("message") == "Expected string value type (got cid)" or (
        verdict.get("message", "").startswith("Invalid ") and verdict["message"].endswith("(got cid)")
    )


def same_text(found: str, expected: str) -> bool:
    """Compare messages, except where a long value is cut off: the reference may halve a character there."""
    return found == expected or "…" in found


def judge(run_node: RunNode, cases: list[Case]) -> list[dict[str, Any]]:
    return [verdict["ok"] for verdict in run_node(SCRIPT, cases)]


def record_cases(lexicons: Lexicons) -> list[Case]:
    maker = CaseMaker(lexicons, "records")
    names = [nsid for nsid in lexicons if lexicons.record(nsid)]
    return [
        {"kind": "record", "nsid": nsid, "value": value}
        for nsid in names
        for value in maker.variants(nsid, maker.definition(nsid), 1500 if nsid.startswith(OWN) else 120)
    ]


def body_cases(lexicons: Lexicons, kind: str) -> list[Case]:
    maker = CaseMaker(lexicons, kind)
    cases: list[Case] = []
    for nsid in lexicons:
        if lexicons.method(nsid) is None:
            continue
        body = maker.definition(nsid).get(kind, {})
        if "schema" in body:
            values = maker.variants(nsid, body["schema"], 800 if nsid.startswith(OWN) else 20)
            cases.extend({"kind": kind, "nsid": nsid, "value": value} for value in values)
    return cases


def params_cases(lexicons: Lexicons) -> list[Case]:
    maker = CaseMaker(lexicons, "params")
    rng = maker.rng
    texts = ["", "x", "xx", "true", "false", "TRUE", "1", "0", "-1", "007", "30", "7", "101", "1.5", "1e3", " 1", "+1"]
    texts += ["9007199254740991", "9007199254740992", "٣", "a", "é" * 3, FORMATS["did"][0], "a,b"]
    cases = []
    for nsid in lexicons:
        if lexicons.method(nsid) is None:
            continue
        properties = maker.definition(nsid).get("parameters", {}).get("properties", {})
        for _ in range(1500 if nsid.startswith(OWN) else 15):
            given = maker.object(nsid, maker.definition(nsid).get("parameters", {}), 0)
            pairs = [
                [name, {True: "true", False: "false"}.get(item, str(item)) if isinstance(item, bool) else str(item)]
                for name, value in given.items()
                for item in (value if isinstance(value, list) else [value])
            ]
            for _ in range(rng.choice((0, 0, 1, 2))):
                if rng.random() < 0.3 and pairs:
                    pairs.pop(rng.randrange(len(pairs)))
                else:
                    pairs.append([rng.choice([*properties, "unknown"]), rng.choice(texts)])
            rng.shuffle(pairs)
            cases.append({"kind": "params", "nsid": nsid, "value": pairs})
    return cases


def test_records_have_the_verdicts_and_messages_of_the_reference(lexicons: Lexicons, run_node: RunNode) -> None:
    cases = record_cases(lexicons)
    expected, found = judge(run_node, cases), [ours(lexicons, case) for case in cases]
    assert differences(cases, found, expected) == []
    for case, we, they in zip(cases, found, expected, strict=True):
        if "error" in we and not is_link_for_string(we):
            assert same_text(we["error"], f"Invalid {case['nsid']} record: {they['pds']['error']}"), case
    assert len(cases) / 5 < sum("ok" in we for we in found) < len(cases) * 4 / 5


def test_record_keys_have_the_verdicts_of_the_reference(lexicons: Lexicons, run_node: RunNode) -> None:
    keys = [text for texts in FORMATS.values() for text in texts] + [text for text in JUNK if isinstance(text, str)]
    cases = [
        {"kind": "key", "nsid": nsid, "value": key}
        for nsid in lexicons
        if lexicons.record(nsid)
        for key in [*keys, "only", "self", "tid", "literal:self"]
    ]
    assert differences(cases, [ours(lexicons, case) for case in cases], judge(run_node, cases)) == []


def test_inputs_have_the_verdicts_and_defaults_of_the_reference(lexicons: Lexicons, run_node: RunNode) -> None:
    cases = body_cases(lexicons, "input")
    expected, found = judge(run_node, cases), [ours(lexicons, case) for case in cases]
    assert differences(cases, found, expected) == []
    for case, we, they in zip(cases, found, expected, strict=True):
        if "ok" in we:
            assert we["ok"] == to_lex(they["pds"]["ok"]), case
        elif not is_link_for_string(we):
            assert same_text(we["error"], they["pds"]["error"]), case


def test_outputs_have_the_verdicts_of_the_reference(lexicons: Lexicons, run_node: RunNode) -> None:
    cases = body_cases(lexicons, "output")
    assert differences(cases, [ours(lexicons, case) for case in cases], judge(run_node, cases)) == []


def test_params_have_the_verdicts_and_values_of_the_reference(lexicons: Lexicons, run_node: RunNode) -> None:
    cases = params_cases(lexicons)
    expected, found = judge(run_node, cases), [ours(lexicons, case) for case in cases]
    assert differences(cases, found, expected) == []
    for case, we, they in zip(cases, found, expected, strict=True):
        if "ok" in we:
            known = {name: value for name, value in they["pds"]["ok"].items() if name != "unknown"}
            assert we["ok"] == known, case
        else:
            text = f"Invalid {case['nsid']} params: {', '.join(they['pds']['issues'])}"
            assert same_text(we["error"], text), case


# Where the PDS, and so Tempest, refuses what @atproto/lexicon lets pass: by our message and the end of its path.
STRICTER = {
    "lists, links and bytes are no objects": r"Expected object value type .*",
    "formats are strict": r"Invalid (datetime|language|CID string) .*",
    "integers stay below 2^53": r"Expected integer value type .*",
    "a named object bears no other name": r'Expected "\S+" .* at \S+\.\$type',
    "blobs match accept": r"Expected .* at \S+\.mimeType",
    "blobs match maxSize": r"blob too big .*",
    "blob references are complete and not of the old form": r"Expected blob value type .*",
}
# And the other way round: by its message.
LAXER = {
    "a record can be held by another": r"Unexpected lexicon type: record",
    "a token can be referred to": r"Unexpected lexicon type: token",
    "a blob is an object of an open union": r'.* must be an object which includes the "\$type" property',
    "what resembles an old blob reference is just an object": r"To parse non base32, .*",
    "an open union takes any $type": r"Uri can only have one hash segment",
}


def reason_for_differing(we: dict[str, Any], they: dict[str, Any]) -> str | None:
    text, reasons = (they["error"], LAXER) if "ok" in we else (f"{we['message']} at {we['path']}", STRICTER)
    return next((reason for reason, pattern in reasons.items() if re.fullmatch(pattern, text, re.DOTALL)), None)


def test_the_older_validator_differs_only_in_known_points(lexicons: Lexicons, run_node: RunNode) -> None:
    cases = [*record_cases(lexicons), *body_cases(lexicons, "input"), *body_cases(lexicons, "output")]
    reasons: Counter[str | None] = Counter()
    for case, they in zip(cases, judge(run_node, cases), strict=True):
        we = ours(lexicons, case)
        if ("ok" in we) != ("ok" in they["lexicon"]) and not is_link_for_string(we):
            reason = reason_for_differing(we, they["lexicon"])
            assert reason is not None, (case, we, they["lexicon"])
            reasons[reason] += 1
    assert reasons.total() < len(cases) / 10, reasons
