"""com.atproto.server.*Session: log in, go on, log out."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.account_views import session_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.auth import ACCESS, NONE, REFRESH, REFRESH_EVEN_EXPIRED
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, MINUTE, Limit
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.services.credentials import Scope

_MAX_COUNTED: Final = 320


def _by_identifier(call: Call) -> str:
    """Count by the name that is logged in with, however it is spelt, and the client's address."""
    name = call.input["identifier"].strip().removeprefix("@").lower()
    # A name may be as long as a body; what is counted stays in memory.
    return f"{name[:_MAX_COUNTED]}-{limit_key(call.client_ip)}"


LOGINS: Final = Limit("login", 30, 5 * MINUTE, _by_identifier)
LOGINS_PER_DAY: Final = Limit("login-day", 300, DAY, _by_identifier)


@procedure("com.atproto.server.createSession", auth=NONE, limits=(LOGINS_PER_DAY, LOGINS))
async def create_session(call: Call) -> Answer:
    """Log in."""
    given = call.input
    session = await call.services.sessions.create(
        given["identifier"],
        given["password"],
        allow_takendown=given.get("allowTakendown", False),
        origin=call.origin,
    )
    return session_view(session)


@procedure("com.atproto.server.refreshSession", auth=REFRESH)
async def refresh_session(call: Call) -> Answer:
    """Exchange a refresh token for new tokens."""
    return session_view(await call.services.sessions.refresh(call.caller))


@procedure("com.atproto.server.deleteSession", auth=REFRESH_EVEN_EXPIRED)
async def delete_session(call: Call) -> Answer:
    """Log out."""
    await call.services.sessions.delete(call.caller)
    return None


@query("com.atproto.server.getSession", auth=ACCESS.also(Scope.SIGNUP_QUEUED))
async def get_session(call: Call) -> Answer:
    """Tell a client whose session it has."""
    return session_view(await call.services.sessions.get(call.caller))
