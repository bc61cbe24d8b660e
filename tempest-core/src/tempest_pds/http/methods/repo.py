"""com.atproto.repo: records, blobs and whole repositories."""

from __future__ import annotations

import json
from typing import Any, Final

from tempest_pds.http.answers import Answer, Body
from tempest_pds.http.context import Call
from tempest_pds.http.errors import XrpcError
from tempest_pds.http.rate_limits import CREATE_POINTS, DAY, DELETE_POINTS, PUT_POINTS, Limit, by_account
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.errors import AuthenticationRequired, InvalidRequest
from tempest_pds.services.record_writes import UNSET, CheckedWrite, RequestedWrite
from tempest_pds.services.records import WriteOutcome
from tempest_pds.services.repo_errors import RecordNotFound

UPLOADS: Final = Limit("blob-upload-day", 1_000, DAY, by_account)
_MAX_JSON: Final = 1_000_000


@procedure("com.atproto.repo.createRecord", cost=CREATE_POINTS, max_input=_MAX_JSON)
async def create_record(call: Call) -> Answer:
    """Create a record, under a record key of its writer's choice or a new TID."""
    given = call.input
    rkey = given.get("rkey")
    write = RequestedWrite(
        "create", Nsid(given["collection"]), None if rkey is None else RecordKey(rkey), _record(given["record"])
    )
    return _single(await _write(call, [write]), _own_did(call))


@procedure("com.atproto.repo.putRecord", cost=PUT_POINTS, max_input=_MAX_JSON)
async def put_record(call: Call) -> Answer:
    """Create a record or replace it; the same record again makes no commit."""
    given = call.input
    swap = _optional_cid(given["swapRecord"], "swapRecord") if "swapRecord" in given else UNSET
    write = RequestedWrite("put", Nsid(given["collection"]), RecordKey(given["rkey"]), _record(given["record"]), swap)
    return _single(await _write(call, [write]), _own_did(call))


@procedure("com.atproto.repo.deleteRecord", cost=DELETE_POINTS)
async def delete_record(call: Call) -> Answer:
    """Delete a record; one that is not there is no error, and makes no commit."""
    given = call.input
    swap = given.get("swapRecord")
    write = RequestedWrite(
        "delete",
        Nsid(given["collection"]),
        RecordKey(given["rkey"]),
        swap=UNSET if swap is None else _cid(swap, "swapRecord"),
    )
    outcome = await _write(call, [write])
    return {} if outcome.commit is None else {"commit": _commit(outcome)}


def _apply_writes_points(call: Call) -> int:
    """3 points for each create, 2 for each update, 1 for each delete."""
    points = {"create": CREATE_POINTS, "update": PUT_POINTS, "delete": DELETE_POINTS}
    return sum(points.get(_action(write), 0) for write in call.input["writes"])


@procedure("com.atproto.repo.applyWrites", cost=_apply_writes_points, max_input=_MAX_JSON)
async def apply_writes(call: Call) -> Answer:
    """Apply a batch of writes as one commit, all or none."""
    outcome = await _write(call, [_requested(write) for write in call.input["writes"]])
    did = _own_did(call)
    answer: dict[str, Any] = {"results": [_batch_result(write, did) for write in outcome.writes]}
    if outcome.commit is not None:
        answer["commit"] = _commit(outcome)
    return answer


@query("com.atproto.repo.getRecord")
async def get_record(call: Call) -> Answer:
    """Read one record; of a repository hosted elsewhere, ask the AppView."""
    params = call.params
    services = call.services
    account = services.hosting.visible(params["repo"])
    collection, rkey = Nsid(params["collection"]), RecordKey(params["rkey"])
    if account is None:
        if services.proxy is None or services.hosting.find(params["repo"]) is not None:
            raise RecordNotFound(f"Could not locate record: at://{params['repo']}/{collection}/{rkey}")
        return await services.proxy.public_read(call)
    wanted = params.get("cid")
    cid, value = services.records.get(account.did, collection, rkey, None if wanted is None else _cid(wanted, "cid"))
    # Everything here is ASCII without quotes or backslashes, by the syntax of its parts.
    head = f'{{"uri":"at://{account.did}/{collection}/{rkey}","cid":"{cid}","value":'
    return Body(b"".join((head.encode("ascii"), lex_json.cbor_to_json(value), b"}")))


@query("com.atproto.repo.listRecords")
async def list_records(call: Call) -> Answer:
    """List the records of a collection, the newest first unless `reverse`."""
    params = call.params
    account = call.services.hosting.visible(params["repo"])
    if account is None:
        raise InvalidRequest(f"Could not find repo: {params['repo']}")
    collection = Nsid(params["collection"])
    rows = call.services.records.list(
        account.did, collection, params["limit"], params.get("cursor"), reverse=params.get("reverse", False)
    )
    to_json = lex_json.cbor_to_json
    start = f'{{"uri":"at://{account.did}/'
    items = [
        b"".join((f'{start}{row.path}","cid":"{row.cid}","value":'.encode("ascii"), to_json(row.value), b"}"))
        for row in rows
    ]
    cursor = f',"cursor":"{rows[-1].rkey}"}}' if rows else "}"
    return Body(b"".join((b'{"records":[', b",".join(items), b"]", cursor.encode("ascii"))))


@query("com.atproto.repo.describeRepo")
async def describe_repo(call: Call) -> Answer:
    """Tell whose repository it is, and which collections it holds."""
    account = call.services.hosting.available(call.params["repo"])
    try:
        document = await call.services.dids.resolve(account.did)
    except RemoteError as error:
        raise InvalidRequest(f"Could not resolve DID: {account.did}") from error
    collections = call.services.records.collections(account.did)
    return {
        "handle": account.handle or "handle.invalid",
        "did": account.did,
        "didDoc": dict(document.json),
        "collections": list(collections),
        "handleIsCorrect": account.handle is not None and document.handle == account.handle,
    }


@procedure("com.atproto.repo.uploadBlob", limits=(UPLOADS,))
async def upload_blob(call: Call) -> Answer:
    """Take a blob; it is temporary until a record refers to it."""
    limit = call.services.server.blob_max_bytes
    blob = await call.services.blobs.upload(
        _own_did(call), call.content_type or "application/octet-stream", call.body(limit)
    )
    return {"blob": {"$type": "blob", "ref": blob.cid, "mimeType": blob.mime_type, "size": blob.size}}


@procedure("com.atproto.repo.importRepo")
async def import_repo(call: Call) -> Answer:
    """Replace the account's repository by that of a CAR file, all of it verified."""
    server = call.services.server
    if not server.repo_import_enabled:
        raise InvalidRequest("Service is not accepting repo imports")
    limit = server.repo_import_max_bytes
    await call.services.repos.import_car(_own_did(call), call.body(limit), max_bytes=limit)
    return None


@query("com.atproto.repo.listMissingBlobs")
async def list_missing_blobs(call: Call) -> Answer:
    """List the blobs that records refer to and that were never uploaded here."""
    cursor = call.params.get("cursor")
    after = None if cursor is None else _cid(cursor, "cursor")
    rows = call.services.blobs.missing(_own_did(call), call.params["limit"], after)
    answer: dict[str, Any] = {"blobs": [{"cid": str(cid), "recordUri": uri} for cid, uri in rows]}
    if rows:
        answer["cursor"] = str(rows[-1][0])
    return answer


def _own_did(call: Call) -> Did:
    assert call.credentials is not None, "the method is declared with an auth kind that has an account"
    return call.credentials.account


async def _write(call: Call, writes: list[RequestedWrite]) -> WriteOutcome:
    given = call.input
    account = call.services.hosting.writable(given["repo"])
    if account.did != _own_did(call):
        raise AuthenticationRequired("Authentication Required")
    swap_commit = given.get("swapCommit")
    outcome: WriteOutcome = await call.services.records.write(
        account.did,
        writes,
        validate=given.get("validate"),
        swap_commit=None if swap_commit is None else _cid(swap_commit, "swapCommit"),
    )
    return outcome


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest("Input/record must be an object")
    return value


def _action(write: Any) -> str:
    return str(write["$type"]).rpartition("#")[2]


def _requested(write: dict[str, Any]) -> RequestedWrite:
    collection = Nsid(write["collection"])
    match _action(write):
        case "create":
            rkey = write.get("rkey")
            return RequestedWrite(
                "create", collection, None if rkey is None else RecordKey(rkey), _record(write["value"])
            )
        case "update":
            return RequestedWrite("update", collection, RecordKey(write["rkey"]), _record(write["value"]))
        case _:
            return RequestedWrite("delete", collection, RecordKey(write["rkey"]))


def _cid(text: str, name: str) -> CID:
    try:
        return CID.parse(text)
    except InvalidEncoding as error:
        raise XrpcError(400, "InvalidRequest", f"Invalid {name}: not a CID") from error


def _optional_cid(text: str | None, name: str) -> CID | None:
    return None if text is None else _cid(text, name)


def _commit(outcome: WriteOutcome) -> dict[str, str]:
    assert outcome.commit is not None
    return {"cid": str(outcome.commit.cid), "rev": outcome.commit.rev}


def _single(outcome: WriteOutcome, did: Did) -> Answer:
    write = outcome.writes[0]
    answer: dict[str, Any] = {"uri": f"at://{did}/{write.path}", "cid": str(write.cid)}
    if outcome.commit is not None:
        answer["commit"] = _commit(outcome)
    if write.status is not None:
        answer["validationStatus"] = write.status
    return Body(json.dumps(answer, separators=(",", ":")).encode())


def _batch_result(write: CheckedWrite, did: Did) -> dict[str, Any]:
    if write.action == "delete":
        return {"$type": "com.atproto.repo.applyWrites#deleteResult"}
    answer = {
        "$type": f"com.atproto.repo.applyWrites#{write.action}Result",
        "uri": f"at://{did}/{write.path}",
        "cid": str(write.cid),
    }
    if write.status is not None:
        answer["validationStatus"] = write.status
    return answer
