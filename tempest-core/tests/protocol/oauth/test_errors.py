"""What a client reads of a refusal."""

import pytest

from tempest_pds.protocol.oauth.client_id import parse_client_id
from tempest_pds.protocol.oauth.errors import InvalidClientId, OAuthError


@pytest.mark.parametrize("text", ["https://é\\u0000\"\\'\n", 'http://localhost?scope="', "http://localhost?\\=1"])
def test_a_description_has_only_the_characters_that_it_may_have(text: str) -> None:
    with pytest.raises(InvalidClientId) as caught:
        parse_client_id(text)
    assert caught.value.code == "invalid_client_id"
    assert not [one for one in caught.value.description if one in '"\\' or not " " <= one <= "~"]


def test_a_description_reads_as_the_text() -> None:
    assert OAuthError('prompt must be "none"').description == "prompt must be 'none'"
