"""com.atproto.server.*InviteCode*: codes that let somebody sign up."""

from __future__ import annotations

from tempest_pds.http.account_views import invite_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.audit import audit
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import procedure, query


@procedure("com.atproto.server.createInviteCode")
async def create_invite_code(call: Call) -> Answer:
    """Make one invite code."""
    given = call.input
    made = await call.services.invites.create(given["useCount"], accounts=[given.get("forAccount", "admin")])
    audit(call, made[0].account, uses=given["useCount"], count=1)
    return {"code": made[0].codes[0]}


@procedure("com.atproto.server.createInviteCodes")
async def create_invite_codes(call: Call) -> Answer:
    """Make invite codes for several accounts."""
    given = call.input
    made = await call.services.invites.create(
        given["useCount"], count=given["codeCount"], accounts=given.get("forAccounts") or ["admin"]
    )
    audit(call, [batch.account for batch in made], uses=given["useCount"], count=given["codeCount"])
    return {"codes": [{"account": batch.account, "codes": list(batch.codes)} for batch in made]}


@query("com.atproto.server.getAccountInviteCodes")
async def get_account_invite_codes(call: Call) -> Answer:
    """List the invite codes that an account may give away."""
    found = call.services.invites.list_for(call.caller.account, include_used=call.params["includeUsed"])
    return {"codes": [invite_view(code) for code in found]}
