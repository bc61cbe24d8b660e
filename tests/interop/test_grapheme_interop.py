"""Graphemes are counted as the reference counts them, in the scripts where counting is hard."""

import random
from pathlib import Path

from tests.conftest import RunNode

from tempest_pds.protocol.lexicon.strings import grapheme_length

SCRIPT = Path(__file__).parent / "grapheme_counts.mjs"

PIECES = [
    *("a", "Z", " ", "\r", "\n", "\t", "é", "e", "\u0301", "\u0308", "\u200d", "\u200c", "\ufe0f", "\u200b", "\u00ad"),
    *("👨", "👩", "👧", "👋", "🏽", "❤", "☎", "🇦", "🇧", "🇨", "🏴", "\U000e0067", "\U000e007f", "1", "#", "\u20e3", "©"),
    *(
        "ก",
        "็",
        "ำ",
        "ກ",
        "ຳ",
        "க",
        "ி",
        "ா",
        "ை",
        "क",
        "्",
        "ष",
        "ि",
        "र",
        "़",
        "ക",
        "്",
        "ষ",
        "্",
        "ક",
        "્",
        "ତ",
        "୍",
        "က",
        "္",
    ),
    *("ᄀ", "ᅡ", "ᆨ", "가", "각", "힣", "\u0600", "\u06dd", "\u0d4e", "\U000110bd", "ه", "\u0651", "中", "\u3099", "か"),
]


def test_graphemes_are_counted_as_by_the_reference(run_node: RunNode) -> None:
    rng = random.Random("graphemes")
    texts = ["".join(rng.choices(PIECES, k=rng.randint(0, 12))) for _ in range(5000)]
    expected = [verdict["ok"] for verdict in run_node(SCRIPT, texts)]
    found = [grapheme_length(text) for text in texts]
    assert [(ascii(text), a, b) for text, a, b in zip(texts, found, expected, strict=True) if a != b] == []
