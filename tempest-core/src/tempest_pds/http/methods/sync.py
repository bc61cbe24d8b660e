"""com.atproto.sync: repositories as others replicate them."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.answers import Answer, Body, Stream
from tempest_pds.http.byte_range import RangeNotSatisfiable, parse_range
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.errors import XrpcError
from tempest_pds.http.rate_limits import MINUTE, Limit
from tempest_pds.http.socket import Socket
from tempest_pds.http.xrpc import query, subscription
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.services.credentials import Kind
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.repo_errors import HeadNotFound, RepoNotFound

EXPORTS: Final = Limit("get-repo", 6_000, 5 * MINUTE)
_CAR: Final = b"application/vnd.ipld.car"


@query("com.atproto.sync.getRepo", limits=(EXPORTS,))
async def get_repo(call: Call) -> Answer:
    """Stream a whole repository, or what is newer than a revision, as a CAR file."""
    did = _readable(call)
    return Stream(call.services.sync.export(did, call.params.get("since"), limit_key(call.client_ip)), _CAR)


@query("com.atproto.sync.getCheckout", limits=(EXPORTS,))
async def get_checkout(call: Call) -> Answer:
    """Stream a whole repository; the deprecated name of getRepo."""
    return Stream(call.services.sync.export(_readable(call), None, limit_key(call.client_ip)), _CAR)


@query("com.atproto.sync.getRecord")
async def get_record(call: Call) -> Answer:
    """Prove with a CAR file that a record is in a repository, or that it is not."""
    did = _readable(call)
    path = f"{Nsid(call.params['collection'])}/{RecordKey(call.params['rkey'])}"
    return Body(call.services.sync.record_proof(did, path), _CAR)


@query("com.atproto.sync.getBlocks")
async def get_blocks(call: Call) -> Answer:
    """Give blocks by CID, as a CAR file without a root."""
    did = _readable(call)
    return Body(call.services.sync.blocks(did, [_cid(text) for text in call.params["cids"]]), _CAR)


@query("com.atproto.sync.getLatestCommit")
async def get_latest_commit(call: Call) -> Answer:
    """Tell the newest commit of a repository."""
    head = call.services.sync.head(_readable(call))
    return {"cid": str(head.commit), "rev": head.rev}


@query("com.atproto.sync.getHead")
async def get_head(call: Call) -> Answer:
    """Tell the newest commit of a repository; deprecated."""
    did = _readable(call)
    try:
        head = call.services.sync.head(did)
    except RepoNotFound as error:
        raise HeadNotFound(f"Could not find root for DID: {did}") from error
    return {"root": str(head.commit)}


@query("com.atproto.sync.getRepoStatus")
async def get_repo_status(call: Call) -> Answer:
    """Tell whether a repository is served here, and why not."""
    account = call.services.hosting.available(call.params["did"], privileged=True)
    answer: dict[str, Any] = {"did": account.did, "active": account.is_active}
    if account.is_active:
        answer["rev"] = call.services.sync.head(account.did).rev
    else:
        answer["status"] = account.status
    return answer


@query("com.atproto.sync.listRepos")
async def list_repos(call: Call) -> Answer:
    """List the repositories hosted here, the oldest account first."""
    page = await call.services.repo_list.page(call.params["limit"], call.params.get("cursor"))
    answer: dict[str, Any] = {"repos": page.repos}
    if page.cursor is not None:
        answer["cursor"] = page.cursor
    return answer


@query("com.atproto.sync.listBlobs")
async def list_blobs(call: Call) -> Answer:
    """List the blobs that a repository's records refer to."""
    did = _readable(call)
    params = call.params
    cursor = params.get("cursor")
    after = None if cursor is None else _cid(cursor)
    cids = call.services.blobs.list(did, params.get("since"), params["limit"], after)
    answer: dict[str, Any] = {"cids": [str(cid) for cid in cids]}
    if cids:
        answer["cursor"] = str(cids[-1])
    return answer


@query("com.atproto.sync.getBlob")
async def get_blob(call: Call) -> Answer:
    """Send a blob, or a range of it, in a way that no browser will run."""
    did = _readable(call)
    cid = _cid(call.params["cid"])
    blob = call.services.blobs.find(did, cid)
    etag = f'"{cid}"'.encode()
    headers = [
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"content-disposition", f'attachment; filename="{cid}"'.encode()),
        (b"etag", etag),
        (b"accept-ranges", b"bytes"),
    ]
    if _matches(call.headers.get(b"if-none-match"), etag):
        return Body(b"", blob.mime_type.encode("latin-1", "replace"), status=304, headers=headers)
    wanted = call.headers.get(b"range")
    if wanted is not None and call.headers.get(b"if-range", etag) != etag:
        wanted = None
    try:
        span = parse_range(wanted, blob.size)
    except RangeNotSatisfiable as error:
        raise XrpcError(416, "InvalidRequest", str(error), [(b"content-range", b"bytes */%d" % blob.size)]) from error
    start, end = (0, blob.size) if span is None else span
    if span is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, blob.size)))
    chunks = await call.services.blobs.read(did, cid, start, end)
    return Stream(
        chunks,
        blob.mime_type.encode("latin-1", "replace"),
        length=end - start,
        status=200 if span is None else 206,
        headers=headers,
    )


@subscription("com.atproto.sync.subscribeRepos")
async def subscribe_repos(call: Call, socket: Socket) -> None:
    """Send the events of all repositories here, from a cursor or from now on."""
    await call.services.firehose.serve(call.params.get("cursor"), socket)


def _readable(call: Call) -> Did:
    """Give the DID of the call when its repository may be read by the caller; raise RepoNotFound and its kin."""
    try:
        did = Did.parse(call.params["did"])
    except InvalidSyntax as error:
        raise InvalidRequest(str(error)) from error
    credentials = call.credentials
    privileged = credentials is not None and (credentials.kind is Kind.ADMIN or credentials.did == did)
    call.services.hosting.available(did, privileged=privileged)
    return did


def _cid(text: str) -> CID:
    try:
        return CID.parse(text)
    except InvalidEncoding as error:
        raise InvalidRequest("Invalid CID") from error


def _matches(header: bytes | None, etag: bytes) -> bool:
    if header is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in header.split(b",")]
    return etag in tags or b"*" in tags
