"""com.atproto.server.*Account*: an account comes, is switched off and on, and goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tempest_pds.http.account_views import session_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.methods.sessions import LOGINS, LOGINS_PER_DAY
from tempest_pds.http.rate_limits import DAY, HOUR, MINUTE, Limit, by_account
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.new_account import NewAccount

SIGN_UPS: Final = Limit("sign-up", 100, 5 * MINUTE)
# The one asks the PLC directory and is three events, the other is a mail if its caller likes.
ACTIVATIONS: Final = Limit("activation", 30, HOUR, by_account)
DEACTIVATIONS: Final = Limit("deactivation", 10, HOUR, by_account)
RESERVATIONS: Final = Limit("reserve-key", 100, 5 * MINUTE)
# Each is kept for a week: nobody has all that there may be from one address.
RESERVATIONS_PER_DAY: Final = Limit("reserve-key-day", 500, DAY)
DELETION_CODES: Final = Limit("deletion-code", 5, HOUR, by_account)
DELETION_CODES_PER_DAY: Final = Limit("deletion-code-day", 15, DAY, by_account)
DELETIONS: Final = Limit("deletion", 50, 5 * MINUTE)


def _by_did(call: Call) -> str:
    """Count by the account whose password is given, as a login with its DID is counted, and the client's address."""
    return f"{call.input['did']}-{limit_key(call.client_ip)}"


# It tells whether a password is right, so whoever guesses is stopped as soon as at the door itself.
_PASSWORDS: Final = replace(LOGINS, key=_by_did)
_PASSWORDS_PER_DAY: Final = replace(LOGINS_PER_DAY, key=_by_did)


@procedure("com.atproto.server.createAccount", limits=(SIGN_UPS,))
async def create_account(call: Call) -> Answer:
    """Make an account, with a new DID or with one that its owner brings along."""
    requester = None if call.credentials is None else call.credentials.did
    session = await call.services.accounts.create(NewAccount.from_input(call.input), requester, call.origin)
    answer = session_view(session)
    return {name: answer[name] for name in ("handle", "did", "didDoc", "accessJwt", "refreshJwt") if name in answer}


@query("com.atproto.server.checkAccountStatus")
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


@procedure("com.atproto.server.activateAccount", limits=(ACTIVATIONS,))
async def activate_account(call: Call) -> Answer:
    """Activate an account whose DID points here."""
    await call.services.accounts.activate(call.caller.account, call.origin)
    return None


@procedure("com.atproto.server.deactivateAccount", limits=(DEACTIVATIONS,))
async def deactivate_account(call: Call) -> Answer:
    """Take an account off the network, to come back or to move; `deleteAfter` deletes it, after a day at least."""
    if call.input.get("deleteAfter") is not None:
        call.services.step_up.check(call.caller)
    await call.services.accounts.deactivate(call.caller.account, call.input.get("deleteAfter"), call.origin)
    return None


@procedure(
    "com.atproto.server.requestAccountDelete",
    limits=(DELETION_CODES_PER_DAY, DELETION_CODES),
)
async def request_account_delete(call: Call) -> Answer:
    """Mail the account's owner the code that a deletion takes."""
    call.services.step_up.check(call.caller)
    await call.services.owner_deletion.request(call.caller.account, call.origin)
    return None


@procedure("com.atproto.server.deleteAccount", limits=(DELETIONS, _PASSWORDS_PER_DAY, _PASSWORDS))
async def delete_account(call: Call) -> Answer:
    """Delete an account and all that it has, for good: with its password, a mailed code, and its second factor."""
    given = call.input
    # Not in the lexicon, which knows of a second factor at createSession alone.
    factor_code = given.get("authFactorToken")
    if factor_code is not None and not isinstance(factor_code, str):
        raise InvalidRequest("Input/authFactorToken must be a string")
    await call.services.owner_deletion.delete(
        Did(given["did"]), given["password"], given["token"], call.visitor, factor_code
    )
    return None


@procedure("com.atproto.server.reserveSigningKey", limits=(RESERVATIONS_PER_DAY, RESERVATIONS))
async def reserve_signing_key(call: Call) -> Answer:
    """Give the public half of a key for an account to come."""
    return {"signingKey": await call.services.accounts.reserve_signing_key(call.input.get("did"))}
