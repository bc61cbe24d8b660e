"""Accounts: what the network believes of each is what this server serves.

Three things must agree, and each is in other hands: the DID document (the PLC directory, or a web host) names the
handle, this server and the signing key; the handle (DNS, or a web host) leads back to the DID; the repository here is
signed with that key. Where they do not, others show the account as invalid, or drop what it writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tempest_pds.doctor.examination import Examination, HostedRepo, UnknownAccount
from tempest_pds.doctor.finding import Finding, Status, failure, note, ok, warning
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.data_model.car import decode as decode_car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidSyntax, ProtocolError
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.did_resolver import DidResolver, DocumentSource
from tempest_pds.remote.errors import BadAnswer, DidNotFound, HandleNotFound, HandleUnreachable, RemoteError
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.plc_directory import PlcDirectory
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.repo.commit import decode as decode_commit

_AT_ONCE: Final = 6


async def check_accounts(examination: Examination) -> Sequence[Finding]:
    """Look at the accounts that the operator names, or at the first ones."""
    try:
        repos = await examination.repos()
    except UnknownAccount as error:
        return [failure(str(error), "look how it is spelt; `tempest account list` knows all")]
    active = [repo for repo in repos if repo.active]
    if not active:
        return [note("there is no active account yet")]
    http = examination.network.http
    dids = DidResolver(http, _plc(examination), allow_private=examination.deployment.allow_private)
    handles = HandleResolver(http, look_up_txt=examination.network.texts)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def judge(repo: HostedRepo) -> list[Finding]:
        async with gate:
            return await _Account(examination, dids, handles, repo.did).judge()

    try:
        judged = await asyncio.gather(*(judge(repo) for repo in active))
    finally:
        await dids.close()
        await handles.close()
    bad = [finding for findings in judged for finding in findings]
    sound = sum(
        1 for findings in judged if all(found.status not in (Status.FAILURE, Status.WARNING) for found in findings)
    )
    if sound:
        whose = f"{sound} of {len(active)} accounts" if sound < len(active) else _all(len(active))
        tail = "" if examination.options.accounts is None or len(repos) < examination.options.accounts else _MORE
        bad.insert(0, ok(f"{whose}: document, handle, key and server agree{tail}"))
    return bad


_MORE: Final = " (there may be more accounts: --all-accounts)"


class _Account:
    def __init__(self, examination: Examination, dids: DidResolver, handles: HandleResolver, did: str) -> None:
        self._examination = examination
        self._dids = dids
        self._handles = handles
        self._did = did

    async def judge(self) -> list[Finding]:
        """Give what is wrong, or worth a note; nothing when all agrees."""
        try:
            did = Did.parse(self._did)
        except InvalidSyntax:
            return [failure(f"{self._did[:80]} is no DID", "give --did a DID such as did:plc:…")]
        try:
            document = await self._dids.resolve(did)
        except DidNotFound:
            return [
                failure(
                    f"{did} does not exist for {self._source(did)}: nobody else knows the account",
                    "look at TEMPEST_PLC_URL: the account was made with another directory, or its DID was given up",
                )
            ]
        except RemoteError as error:
            return [failure(f"{did} cannot be resolved: {error}", "see plc; for a did:web, its host must answer")]
        try:
            found = (self._endpoint(document), await self._handle(did, document), await self._key(did, document))
        except BadAnswer as error:
            return [
                failure(
                    f"the server does not serve {did}: {error}",
                    "look whether it is an account of this server, and active",
                )
            ]
        return [finding for finding in found if finding is not None]

    def _endpoint(self, document: DidDocument) -> Finding | None:
        public_url = self._examination.deployment.public_url
        endpoint = document.pds_endpoint
        if endpoint is not None and endpoint.rstrip("/") == public_url:
            return None
        return failure(
            f"the document of {document.did} names {endpoint or 'no server'} as its server, and not {public_url}: "
            "others look for the account there",
            "if TEMPEST_PUBLIC_URL was another before, set it back; if the account has moved away, deactivate it "
            f"here; if it is to be here, finish the move by a PLC operation that names {public_url}",
        )

    async def _handle(self, did: Did, document: DidDocument) -> Finding | None:
        described = await self._examination.query_nearest("com.atproto.repo.describeRepo", repo=did)
        ours = described.get("handle")
        if document.handle != ours:
            return failure(
                f"the document of {did} names the handle {document.handle}, and this server {ours}",
                f"announce the handle again: the account's owner sets it to {ours} once more "
                "(com.atproto.identity.updateHandle)",
            )
        if document.handle is None:
            return failure(f"{did} has no valid handle", "give the account one (com.atproto.identity.updateHandle)")
        return await self._leads_back(did, document.handle)

    async def _leads_back(self, did: Did, handle: Handle) -> Finding | None:
        if self._examination.deployment.is_local:
            return None
        try:
            found = await self._handles.resolve(handle)
        except (HandleNotFound, HandleUnreachable):
            if self._examination.network.is_own(handle):
                cure = "see dns for the wildcard, tls for certificates of handles, and proxy for the Host header"
            else:
                cure = f"its owner makes a TXT record _atproto.{handle} with did={did}"
            return failure(
                f"neither a TXT record _atproto.{handle} nor https://{handle}/.well-known/atproto-did names a DID: the "
                f"handle of {did} shows as invalid",
                cure,
            )
        except RemoteError as error:
            return warning(f"{handle} cannot be resolved: {error}", "see dns for whether name servers answer")
        if found != did:
            return failure(
                f"{handle} leads to {found}, and not to {did}: the handle shows as invalid",
                f"correct the TXT record _atproto.{handle}, or what its host answers at /.well-known/atproto-did",
            )
        return None

    async def _key(self, did: Did, document: DidDocument) -> Finding | None:
        """Check the newest commit with the key that everybody else takes; no secret is needed for that."""
        latest = await self._examination.query_nearest("com.atproto.sync.getLatestCommit", did=did)
        cid = str(latest.get("cid"))
        car = await self._examination.get_nearest(f"/xrpc/com.atproto.sync.getBlocks?did={did}&cids={cid}")
        try:
            _, blocks = decode_car(car.body)
            commit = decode_commit(blocks[CID.parse(cid)])
        except (ProtocolError, KeyError):
            return failure(f"the newest commit of {did} cannot be read", "run `tempest repo verify` for the account")
        key = document.signing_key
        if key is not None and commit.did == did and commit.verify(parse_did_key(key)):
            return None
        return failure(
            f"the repository of {did} is not signed with the key in its document: others drop all it writes",
            "restore the account's key file in keys/signing, or publish the key that the server has by a PLC operation",
        )

    def _source(self, did: Did) -> str:
        plc_url = self._examination.deployment.plc_url
        return f"the directory {plc_url}" if did.method == "plc" and plc_url else "its method"


def _plc(examination: Examination) -> DocumentSource:
    deployment = examination.deployment
    if deployment.plc_url is not None:
        return PlcDirectory(examination.network.http, deployment.plc_url)
    assert deployment.settings is not None, "only settings have no directory"
    return PlcLedger(deployment.settings.data_dir / "plc_ledger.jsonl")


def _all(count: int) -> str:
    return "the one account" if count == 1 else f"all {count} accounts"
