"""What is remembered of scopes is bounded by what they take, whoever chooses them."""

from __future__ import annotations

import tracemalloc

import pytest

from tempest_pds.protocol.oauth.errors import InvalidScope
from tempest_pds.services.oauth.parsed_scopes import ParsedScopes

SMALL = "atproto transition:generic"


def test_scopes_are_read_once_as_long_as_there_is_room() -> None:
    parsed = ParsedScopes(1_500)
    first = parsed(SMALL)
    assert str(first) == SMALL
    parsed("atproto repo:*")
    assert parsed(SMALL) is first
    parsed("atproto " + "repo:com.example.a " * 50 + "repo:*")
    assert parsed(SMALL) is not first


def test_what_is_longer_than_the_room_is_read_all_the_same() -> None:
    assert ParsedScopes(10)(SMALL) == ParsedScopes()(SMALL)
    with pytest.raises(InvalidScope):
        ParsedScopes()("repo:*")


def test_sessions_that_may_do_a_lot_take_no_more_memory_the_more_they_are() -> None:
    parsed, taken = ParsedScopes(50_000), []
    tracemalloc.start()
    try:
        for round_of in range(3):
            for n in range(10):
                kinds = " ".join(f"repo:com.example.r{round_of}n{n}k{kind}" for kind in range(200))
                parsed(f"atproto {kinds}")
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(taken) < 60 * 50_000
    assert taken[2] < 1.2 * taken[0]
