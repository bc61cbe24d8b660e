"""Finding the blobs of a record."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.lexicon.record_links import BlobRef, blobs_in

CIDS = [CID.for_raw(b"one"), CID.for_raw(b"two")]


def ref(cid: CID = CIDS[0], **more: Any) -> dict[str, Any]:
    return {"$type": "blob", "ref": cid, "mimeType": "image/png", "size": 3, **more}


def test_blobs_are_found_at_any_depth_in_order() -> None:
    value = {"b": [{"image": ref()}, [ref(CIDS[1])]], "a": {"x-y": ref()}}
    assert blobs_in(value) == [
        BlobRef(CIDS[0], "image/png", 3, "$.b[0].image"),
        BlobRef(CIDS[1], "image/png", 3, "$.b[1][0]"),
        BlobRef(CIDS[0], "image/png", 3, '$.a["x-y"]'),
    ]


def test_a_reference_of_the_old_form_is_marked() -> None:
    assert blobs_in({"a": {"cid": str(CIDS[0]), "mimeType": "image/png"}}) == [
        BlobRef(CIDS[0], "image/png", -1, "$.a", is_legacy=True)
    ]


def test_what_only_resembles_a_reference_is_none_but_may_hold_one() -> None:
    assert blobs_in([ref(ref=str(CIDS[0])), ref(size=None), ref(mimeType="png"), {"cid": "x", "mimeType": "a/b"}]) == []
    assert [blob.path for blob in blobs_in(ref(extra=ref()))] == ["$.extra"]


def test_depth_is_no_danger() -> None:
    value: Any = ref()
    for _ in range(50_000):
        value = [value]
    assert len(blobs_in(value)) == 1


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(), st.builds(ref)),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
def test_every_reference_is_found_once(value: Any) -> None:
    def count(item: Any) -> int:
        if isinstance(item, list):
            return sum(map(count, item))
        if isinstance(item, dict):
            return 1 if item == ref() else sum(map(count, item.values()))
        return 0

    assert len(blobs_in(value)) == count(value)
