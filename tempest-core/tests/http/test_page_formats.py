"""How numbers, sizes and times look to a person, and whether everybody can read them."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.http.pages.formats import duration, moment, number, rows, share, size, spans
from tempest_pds.http.pages.rendering import Templates


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**18, "5000 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3_661, "1 hour 1 minute"),
        (86_400, "1 day"),
        (3 * 86_400 + 5 * 3_600 + 59, "3 days 5 hours"),
    ],
)
def test_time_spans(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_to_the_minute_in_utc() -> None:
    assert moment("2026-11-25T15:06:12.123+01:00") == "2026-11-25 14:06"
    assert moment("2026-11-25T14:06:12.123Z") == "2026-11-25 14:06"


def test_code_stands_between_backticks() -> None:
    assert spans("Try `tempest mail test`.") == ["Try ", "tempest mail test", "."]
    assert spans("One ` alone, and none") == ["One ` alone, and none"]


def test_numbers_and_shares() -> None:
    assert number(1_234_567) == "1\u202f234\u202f567"
    assert [share(1, 3), share(5, 0), share(9, 3)] == [33, 0, 100]


@given(st.integers(0, 10**20))
def test_a_size_is_short(count: int) -> None:
    assert len(size(count)) <= 10 or count > 10**18


def test_a_part_of_the_report_is_laid_out_by_the_names_of_its_members() -> None:
    part = {
        "lastAt": "2026-11-25T14:06:12.123Z",
        "lastBytes": 1_500,
        "lastSeconds": 62.5,
        "nextAt": None,
        "failure": None,
        "inQueue": 12_345,
        "share": 0.5,
        "encrypted": True,
        "store": "s3",
        "problems": ["left out"],
    }
    assert [tuple(row) for row in rows(part)] == [
        ("Last", "2026-11-25T14:06:12.123Z", "time"),
        ("Last size", "1.5 kB", "text"),
        ("Last duration", "1 minute", "text"),
        ("In queue", "12\u202f345", "text"),
        ("Share", "0.5", "text"),
        ("Encrypted", "yes", "text"),
        ("Store", "s3", "text"),
    ]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_every_ground_it_stands_on(scheme: int) -> None:
    """By the measure of WCAG 2.2, level AA: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
    blocks = re.findall(r":root \{(.+?)\}", Templates().style, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[scheme]))
    pairs = list(product(("text", "quiet", "accent", "warn", "bad", "good"), ("ground", "surface")))
    pairs += [("text", "warn-ground"), ("text", "bad-ground"), ("on-accent", "accent")]
    contrasts = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: found for pair, found in contrasts.items() if found < 4.5} == {}
