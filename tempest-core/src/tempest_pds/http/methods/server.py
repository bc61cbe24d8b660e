"""com.atproto.server.*: accounts, sessions, app passwords, invite codes, service tokens."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.account_views import invite_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.audit import audit
from tempest_pds.http.auth import ACCESS, ADMIN, FULL, NONE, OPTIONAL_SERVICE, REFRESH, REFRESH_EVEN_EXPIRED
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, MINUTE, Limit
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.services.credentials import Credentials, Scope
from tempest_pds.services.sessions import Session
from tempest_pds.services.sign_up import NewAccount

_MAX_COUNTED: Final = 320


def _by_identifier(call: Call) -> str:
    """Count by the name that is logged in with, however it is spelt, and the client's address."""
    name = call.input["identifier"].strip().removeprefix("@").lower()
    # A name may be as long as a body; what is counted stays in memory.
    return f"{name[:_MAX_COUNTED]}-{limit_key(call.client_ip)}"


SIGN_UPS: Final = Limit("sign-up", 100, 5 * MINUTE)
LOGINS: Final = Limit("login", 30, 5 * MINUTE, _by_identifier)
LOGINS_PER_DAY: Final = Limit("login-day", 300, DAY, _by_identifier)
RESERVATIONS: Final = Limit("reserve-key", 100, 5 * MINUTE)


def _caller(call: Call) -> Credentials:
    assert call.credentials is not None, "the method's auth guarantees a caller"
    return call.credentials


def _session(session: Session) -> dict[str, Any]:
    account = session.account
    answer: dict[str, Any] = {
        "did": account.did,
        "handle": session.handle,
        "emailConfirmed": account.email_confirmed_at is not None,
        "active": account.is_active,
    }
    if account.email is not None:
        answer["email"] = account.email
    if session.did_doc is not None:
        answer["didDoc"] = session.did_doc
    if not account.is_active:
        answer["status"] = account.status
    if session.tokens is not None:
        answer["accessJwt"] = session.tokens.access_jwt
        answer["refreshJwt"] = session.tokens.refresh_jwt
    return answer


@query("com.atproto.server.describeServer", auth=NONE)
async def describe_server(call: Call) -> Answer:
    """Tell what this server is and what it asks of new accounts."""
    server = call.services.server
    links = {"privacyPolicy": server.privacy_policy_url, "termsOfService": server.terms_of_service_url}
    contact = {"email": server.contact_email}
    return {
        "did": server.did,
        "availableUserDomains": list(server.handle_domains),
        "inviteCodeRequired": server.invite_required,
        # Not in the lexicon; video clients read it.
        "blobUploadLimit": server.blob_max_bytes,
        "links": {name: value for name, value in links.items() if value is not None},
        "contact": {name: value for name, value in contact.items() if value is not None},
    }


@procedure("com.atproto.server.createAccount", auth=OPTIONAL_SERVICE, limits=(SIGN_UPS,))
async def create_account(call: Call) -> Answer:
    """Make an account, with a new DID or with one that its owner brings along."""
    requester = None if call.credentials is None else call.credentials.did
    session = await call.services.accounts.create(NewAccount.from_input(call.input), requester, call.client_ip)
    answer = _session(session)
    return {name: answer[name] for name in ("handle", "did", "didDoc", "accessJwt", "refreshJwt") if name in answer}


@procedure("com.atproto.server.createSession", auth=NONE, limits=(LOGINS_PER_DAY, LOGINS))
async def create_session(call: Call) -> Answer:
    """Log in."""
    given = call.input
    session = await call.services.sessions.create(
        given["identifier"], given["password"], allow_takendown=given.get("allowTakendown", False)
    )
    return _session(session)


@procedure("com.atproto.server.refreshSession", auth=REFRESH)
async def refresh_session(call: Call) -> Answer:
    """Exchange a refresh token for new tokens."""
    return _session(await call.services.sessions.refresh(_caller(call)))


@procedure("com.atproto.server.deleteSession", auth=REFRESH_EVEN_EXPIRED)
async def delete_session(call: Call) -> Answer:
    """Log out."""
    await call.services.sessions.delete(_caller(call))
    return None


@query("com.atproto.server.getSession", auth=ACCESS.also(Scope.SIGNUP_QUEUED))
async def get_session(call: Call) -> Answer:
    """Tell a client whose session it has."""
    return _session(await call.services.sessions.get(_caller(call)))


@procedure("com.atproto.server.createAppPassword", auth=FULL.refusing_takendown())
async def create_app_password(call: Call) -> Answer:
    """Make a password for one app."""
    made = await call.services.app_passwords.create(
        _caller(call).account, call.input["name"], privileged=call.input.get("privileged", False)
    )
    return {
        "name": made.name,
        "password": made.password,
        "createdAt": made.created_at,
        "privileged": made.privileged,
    }


@query("com.atproto.server.listAppPasswords", auth=ACCESS)
async def list_app_passwords(call: Call) -> Answer:
    """List the app passwords, without the passwords."""
    found = call.services.app_passwords.list_for(_caller(call).account)
    return {
        "passwords": [{"name": row.name, "createdAt": row.created_at, "privileged": row.privileged} for row in found]
    }


@procedure("com.atproto.server.revokeAppPassword", auth=ACCESS)
async def revoke_app_password(call: Call) -> Answer:
    """Revoke an app password by its name, and end the sessions made with it."""
    await call.services.app_passwords.revoke(_caller(call).account, call.input["name"])
    return None


@query("com.atproto.server.getServiceAuth", auth=ACCESS.also(Scope.TAKENDOWN))
async def get_service_auth(call: Call) -> Answer:
    """Sign a token for another service."""
    params = call.params
    token = call.services.service_auth.mint_for(_caller(call), params["aud"], params.get("lxm"), params.get("exp"))
    return {"token": token}


@query("com.atproto.server.checkAccountStatus", auth=ACCESS)
async def check_account_status(call: Call) -> Answer:
    """Tell how far a migration has come."""
    report = await call.services.accounts.check_status(_caller(call).account)
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
    await call.services.accounts.activate(_caller(call).account)
    return None


@procedure("com.atproto.server.deactivateAccount", auth=FULL.also(Scope.TAKENDOWN))
async def deactivate_account(call: Call) -> Answer:
    """Take an account off the network, to come back later or to move."""
    await call.services.accounts.deactivate(_caller(call).account, call.input.get("deleteAfter"))
    return None


@procedure("com.atproto.server.createInviteCode", auth=ADMIN)
async def create_invite_code(call: Call) -> Answer:
    """Make one invite code."""
    given = call.input
    made = await call.services.invites.create(given["useCount"], accounts=[given.get("forAccount", "admin")])
    audit(call, made[0].account, uses=given["useCount"], count=1)
    return {"code": made[0].codes[0]}


@procedure("com.atproto.server.createInviteCodes", auth=ADMIN)
async def create_invite_codes(call: Call) -> Answer:
    """Make invite codes for several accounts."""
    given = call.input
    made = await call.services.invites.create(
        given["useCount"], count=given["codeCount"], accounts=given.get("forAccounts") or ["admin"]
    )
    audit(call, [batch.account for batch in made], uses=given["useCount"], count=given["codeCount"])
    return {"codes": [{"account": batch.account, "codes": list(batch.codes)} for batch in made]}


@query("com.atproto.server.getAccountInviteCodes", auth=FULL.refusing_takendown())
async def get_account_invite_codes(call: Call) -> Answer:
    """List the invite codes that an account may give away."""
    found = call.services.invites.list_for(_caller(call).account, include_used=call.params["includeUsed"])
    return {"codes": [invite_view(code) for code in found]}


@procedure("com.atproto.server.reserveSigningKey", auth=NONE, limits=(RESERVATIONS,))
async def reserve_signing_key(call: Call) -> Answer:
    """Give the public half of a key for an account to come."""
    return {"signingKey": await call.services.accounts.reserve_signing_key(call.input.get("did"))}
