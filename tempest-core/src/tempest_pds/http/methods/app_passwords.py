"""com.atproto.server.*AppPassword*: passwords for one app each."""

from __future__ import annotations

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import procedure, query


@procedure("com.atproto.server.createAppPassword")
async def create_app_password(call: Call) -> Answer:
    """Make a password for one app."""
    call.services.step_up.check(call.caller)
    made = await call.services.app_passwords.create(
        call.caller.account,
        call.input["name"],
        privileged=call.input.get("privileged", False),
        origin=call.origin,
    )
    return {
        "name": made.name,
        "password": made.password,
        "createdAt": made.created_at,
        "privileged": made.privileged,
    }


@query("com.atproto.server.listAppPasswords")
async def list_app_passwords(call: Call) -> Answer:
    """List the app passwords, without the passwords."""
    found = call.services.app_passwords.list_for(call.caller.account)
    return {
        "passwords": [{"name": row.name, "createdAt": row.created_at, "privileged": row.privileged} for row in found]
    }


@procedure("com.atproto.server.revokeAppPassword")
async def revoke_app_password(call: Call) -> Answer:
    """Revoke an app password by its name, and end the sessions made with it."""
    await call.services.app_passwords.revoke(call.caller.account, call.input["name"], call.origin)
    return None
