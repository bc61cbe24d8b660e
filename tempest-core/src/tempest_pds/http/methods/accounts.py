"""com.atproto.server.*Account*: an account comes, is switched off and on, and goes."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.account_views import session_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.auth import ACCESS, FULL, NONE, OPTIONAL_SERVICE
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import MINUTE, Limit
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.services.credentials import Scope
from tempest_pds.services.sign_up import NewAccount

SIGN_UPS: Final = Limit("sign-up", 100, 5 * MINUTE)
RESERVATIONS: Final = Limit("reserve-key", 100, 5 * MINUTE)


@procedure("com.atproto.server.createAccount", auth=OPTIONAL_SERVICE, limits=(SIGN_UPS,))
async def create_account(call: Call) -> Answer:
    """Make an account, with a new DID or with one that its owner brings along."""
    requester = None if call.credentials is None else call.credentials.did
    session = await call.services.accounts.create(NewAccount.from_input(call.input), requester, call.client_ip)
    answer = session_view(session)
    return {name: answer[name] for name in ("handle", "did", "didDoc", "accessJwt", "refreshJwt") if name in answer}


@query("com.atproto.server.checkAccountStatus", auth=ACCESS)
async def check_account_status(call: Call) -> Answer:
    """Tell how far a migration has come."""
    report = await call.services.accounts.check_status(call.caller.account)
    return {
        "activated": report.activated,
        "validDid": report.valid_did,
        "repoCommit": str(report.commit),
        "repoRev": report.rev,
        "repoBlocks": report.blocks,
        "indexedRecords": report.records,
        "privateStateValues": 0,
        "expectedBlobs": report.expected_blobs,
        "importedBlobs": report.imported_blobs,
    }


@procedure("com.atproto.server.activateAccount", auth=FULL)
async def activate_account(call: Call) -> Answer:
    """Activate an account whose DID points here."""
    await call.services.accounts.activate(call.caller.account)
    return None


@procedure("com.atproto.server.deactivateAccount", auth=FULL.also(Scope.TAKENDOWN))
async def deactivate_account(call: Call) -> Answer:
    """Take an account off the network, to come back later or to move."""
    await call.services.accounts.deactivate(call.caller.account, call.input.get("deleteAfter"))
    return None


@procedure("com.atproto.server.reserveSigningKey", auth=NONE, limits=(RESERVATIONS,))
async def reserve_signing_key(call: Call) -> Answer:
    """Give the public half of a key for an account to come."""
    return {"signingKey": await call.services.accounts.reserve_signing_key(call.input.get("did"))}
