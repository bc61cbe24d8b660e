"""CIDs in their binary and text forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.data_model import _base32
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding

POST = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"


def test_a_cid_reads_back() -> None:
    assert str(CID.parse(POST)) == POST
    assert CID.parse(POST).is_dag_cbor
    assert not CID.for_raw(b"").is_dag_cbor
    assert CID.decode(CID.parse(POST).raw) == CID.parse(POST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        POST[:-1],
        POST + "a",
        POST.upper(),
        POST[:9] + POST[9].upper() + POST[10:],
        "z" + POST[1:],
        POST[:-1] + "r",  # the two bits over are not zero
        POST[:20] + "0" + POST[21:],
        POST[:20] + "_" + POST[21:],
        POST[:20] + "é" + POST[21:],
        POST[:20] + "٣" + POST[21:],
        "b-" + POST[2:],
        "b " + POST[2:],
        POST[:-1] + "\n",
        "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",  # DAG-PB
        "zdpuAyvkgEDQm9TenwGkd5eNaosSxjgEYd8QatfPetgB1CdEZ",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidEncoding):
        CID.parse(text)


@given(st.binary(min_size=36, max_size=36))
def test_both_writers_of_base32_agree(raw: bytes) -> None:
    assert _base32.encode(raw) == _base32.encode_portable(raw)
    assert _base32.decode_cid(_base32.encode(raw)) == raw


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=58, max_size=58))
def test_a_text_has_one_form(text: str) -> None:
    try:
        raw = _base32.decode_cid(text)
    except ValueError:
        return
    assert _base32.encode(raw) == text


def test_a_cid_verifies_its_block_only() -> None:
    assert CID.for_raw(b"a").verifies(b"a")
    assert not CID.for_raw(b"a").verifies(b"b")
