"""com.atproto.server.*Session: log in, go on, log out."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.account_views import session_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, MINUTE, Limit
from tempest_pds.http.xrpc import procedure, query

_MAX_COUNTED: Final = 320


def _by_identifier(call: Call) -> str:
    """Count by the name that is logged in with, however it is spelt, and the client's address."""
    name = call.input["identifier"].strip().removeprefix("@").lower()
    # A name may be as long as a body; what is counted stays in memory.
    return f"{name[:_MAX_COUNTED]}-{limit_key(call.client_ip)}"


LOGINS: Final = Limit("login", 30, 5 * MINUTE, _by_identifier)
LOGINS_PER_DAY: Final = Limit("login-day", 300, DAY, _by_identifier)


@procedure("com.atproto.server.createSession", limits=(LOGINS_PER_DAY, LOGINS))
async def create_session(call: Call) -> Answer:
    """Log in."""
    given = call.input
    session = await call.services.sessions.create(
        given["identifier"],
        given["password"],
        code=given.get("authFactorToken"),
        allow_takendown=given.get("allowTakendown", False),
        visitor=call.visitor,
    )
    return session_view(session)


@procedure("com.atproto.server.refreshSession")
async def refresh_session(call: Call) -> Answer:
    """Exchange a refresh token for new tokens."""
    return session_view(await call.services.sessions.refresh(call.caller))


@procedure("com.atproto.server.deleteSession")
async def delete_session(call: Call) -> Answer:
    """Log out."""
    await call.services.sessions.delete(call.caller)
    return None


@query("com.atproto.server.getSession")
async def get_session(call: Call) -> Answer:
    """Tell a client whose session it has."""
    answer = session_view(await call.services.sessions.get(call.caller))
    permissions = call.caller.permissions
    if permissions is not None and not permissions.allows_account("email", "read"):
        return {name: value for name, value in answer.items() if not name.startswith("email")}
    return answer
