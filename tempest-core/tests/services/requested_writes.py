"""Writes as clients ask for them, for the tests of records."""

from __future__ import annotations

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.services.record_writes import UNSET, RequestedWrite

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
POST = Nsid("app.bsky.feed.post")
PROFILE = Nsid("app.bsky.actor.profile")
LIKE = Nsid("app.bsky.feed.like")
FOLLOW = Nsid("app.bsky.graph.follow")
UNKNOWN = Nsid("com.example.thing")
NOW = "2026-01-01T00:00:00.000Z"
OTHER = CID.for_dag_cbor(b"\xa0")


def create(value: dict, rkey: str | None = None, collection: Nsid = UNKNOWN) -> RequestedWrite:
    return RequestedWrite("create", collection, None if rkey is None else RecordKey(rkey), value)


def put(value: dict, rkey: str = "self", collection: Nsid = PROFILE, swap=UNSET) -> RequestedWrite:
    return RequestedWrite("put", collection, RecordKey(rkey), value, swap)


def delete(rkey: str = "self", collection: Nsid = PROFILE, swap=UNSET) -> RequestedWrite:
    return RequestedWrite("delete", collection, RecordKey(rkey), swap=swap)


def like(uri: str, collection: Nsid = LIKE) -> RequestedWrite:
    return create({"subject": {"uri": uri, "cid": str(OTHER)}, "createdAt": NOW}, collection=collection)
