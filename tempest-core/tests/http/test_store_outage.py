"""A blob store that is out: the protocol's error, and nothing of what the adapter says of its store."""

import json

import pytest

from tempest_pds.http.errors import answer_to
from tempest_pds_plugins import BlobNotFound, StoreFull, StoreUnavailable


@pytest.mark.parametrize("kind", [StoreUnavailable, StoreFull])
def test_a_client_is_told_to_come_again_and_no_more(kind: type[StoreUnavailable]) -> None:
    answer = answer_to(kind("the store at https://inside.example.com refused GetObject"))
    assert (answer.status, answer.unexpected) == (503, False)
    assert json.loads(answer.body()) == {
        "error": "NotEnoughResources",
        "message": "The blob store does not answer, try again later",
    }


def test_what_else_an_adapter_raises_is_a_fault() -> None:
    assert answer_to(BlobNotFound("public/k")).unexpected
