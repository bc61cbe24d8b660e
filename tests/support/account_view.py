"""A whole account as one server shows it to its owner, and what differs between two servers' views of it."""

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.account import Account, CallRefused

from tempest_pds.protocol.data_model import car, lex_json
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo

SERVER, REPO, SYNC = "com.atproto.server", "com.atproto.repo", "com.atproto.sync"
_SHOWN = 20


@dataclass(frozen=True)
class Record:
    """`value` is what is in the block, in the data model's own types."""

    cid: str
    value: LexValue


@dataclass(frozen=True)
class Blob:
    """The bytes by their hash and size, and the type that they are served with."""

    sha256: str
    size: int
    mime_type: str


@dataclass(frozen=True, kw_only=True)
class AccountView:
    """Everything that a server has of an account.

    Attributes:
        status: `active`, or why it is not.
        records: by path, from the exported repository, which was checked.
        blobs: by CID; None for one that is listed and cannot be read.
        listed: the same as listRecords shows it, or None: nobody can list what is not active.
        missing_blobs: that records refer to and that are not there.
        document: the DID's, as the PLC directory has it.
    """

    did: str
    server: str
    handle: str
    status: str
    rev: str
    records: Mapping[str, Record] = field(repr=False)
    listed: Mapping[str, Any] | None = field(repr=False)
    blobs: Mapping[str, Blob | None] = field(repr=False)
    missing_blobs: tuple[str, ...]
    preferences: list[Any]
    document: dict[str, Any]


def look(account: Account, plc_url: str) -> AccountView:
    """Read everything that the account's server has of it."""
    did = account.did
    state = account.query(f"{SYNC}.getRepoStatus", did=did)
    status = "active" if state["active"] else str(state["status"])
    document = json.loads(_fetch(f"{plc_url}/{did}")[0])
    return AccountView(
        did=did,
        server=account.server.url,
        handle=account.query(f"{SERVER}.getSession")["handle"],
        status=status,
        rev=account.query(f"{SYNC}.getLatestCommit", did=did)["rev"],
        records=records_of(account),
        listed=_listed(account) if status == "active" else None,
        blobs={cid: _blob(account, cid) for cid in _all(account, f"{SYNC}.listBlobs", "cids", did=did)},
        missing_blobs=tuple(blob["cid"] for blob in _all(account, f"{REPO}.listMissingBlobs", "blobs")),
        preferences=account.query("app.bsky.actor.getPreferences")["preferences"],
        document=document,
    )


def records_of(account: Account) -> dict[str, Record]:
    """Export the account's repository, check all of it but its signature, and return its records by path."""
    exported, _ = _fetch(_url(account, f"{SYNC}.getRepo", did=account.did), account.access)
    roots, blocks = car.decode(exported)
    _, verified = verify_repo(MemoryBlockSource(blocks), roots[0], did=Did(account.did))
    return {record.path: Record(str(record.cid), record.value) for record in verified}


def compare(before: AccountView, after: AccountView) -> list[str]:
    """Tell in lines what an account lost or gained on its way from one server to another; nothing when it is whole.

    What has to change is told when it did not: the revision rises, and the document names the new server.
    """
    return [
        *_one("DID", before.did, after.did),
        *_one("handle", before.handle, after.handle),
        *_mapping("record", before.records, after.records),
        *_mapping("listed record", before.listed, after.listed),
        *_mapping("blob", before.blobs, after.blobs),
        *(f"blob {cid}: is not there" for cid in after.missing_blobs if cid not in before.missing_blobs),
        *_one("preferences", before.preferences, after.preferences),
        *_revision(before, after),
        *_document(after),
    ]


def assert_moved(before: AccountView, after: AccountView) -> None:
    """Fail with all that differs between the account on the server that it left and on the one that it came to."""
    differences = compare(before, after)
    more = len(differences) - _SHOWN
    shown = differences[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    assert not differences, f"{before.did}, from {before.server} to {after.server}:\n" + "\n".join(shown)


def _one(name: str, before: object, after: object) -> Iterator[str]:
    if before != after:
        yield f"{name}: {before!r} became {after!r}"


def _mapping(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        return
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield f"{name} {key}: lost, it was {before[key]!r}"
        elif key not in before:
            yield f"{name} {key}: came from nowhere, it is {after[key]!r}"
        else:
            yield from _one(f"{name} {key}", before[key], after[key])


def _revision(before: AccountView, after: AccountView) -> Iterator[str]:
    if after.rev <= before.rev:
        yield f"rev: {after.rev} is not above {before.rev}"


def _document(after: AccountView) -> Iterator[str]:
    services = [service["serviceEndpoint"] for service in after.document["service"]]
    yield from _one("server in the DID's document", [after.server], services)
    yield from _one("handle in the DID's document", [f"at://{after.handle}"], after.document["alsoKnownAs"])


def _listed(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for collection in account.query(f"{REPO}.describeRepo", repo=account.did)["collections"]:
        for record in _all(account, f"{REPO}.listRecords", "records", repo=account.did, collection=collection):
            path = record["uri"].removeprefix(f"at://{account.did}/")
            # In bytes and links, so that two ways to write them in JSON are one.
            found[path] = (record["cid"], lex_json.loads(json.dumps(record["value"])))
    return found


def _all(account: Account, nsid: str, name: str, **params: Any) -> Iterator[Any]:
    """Yield the items of all pages of a list."""
    cursor: dict[str, str] = {}
    while True:
        page = account.query(nsid, limit=100, **params, **cursor)
        yield from page[name]
        if not page[name] or "cursor" not in page:
            return
        cursor = {"cursor": page["cursor"]}


def _blob(account: Account, cid: str) -> Blob | None:
    try:
        data, mime_type = _fetch(_url(account, f"{SYNC}.getBlob", did=account.did, cid=cid), account.access)
    except CallRefused:
        return None
    return Blob(hashlib.sha256(data).hexdigest(), len(data), mime_type)


def _url(account: Account, nsid: str, **params: str) -> str:
    return f"{account.server.url}/xrpc/{nsid}?{urllib.parse.urlencode(params)}"


def _fetch(url: str, token: str = "") -> tuple[bytes, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        raise CallRefused(error.code, error.read().decode(errors="replace")) from error
