"""com.atproto.temp.*: methods that clients ask for although nobody has written them down for good."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import MINUTE, Limit
from tempest_pds.http.xrpc import query

LOOKS: Final = Limit("handle-availability", 100, 5 * MINUTE)
_HANDLE: Final = "com.atproto.temp.checkHandleAvailability"


@query("com.atproto.temp.checkSignupQueue")
async def check_signup_queue(call: Call) -> Answer:
    """Tell a client that nobody has to queue here."""
    return {"activated": True}


@query("com.atproto.temp.checkHandleAvailability", limits=(LOOKS,))
async def check_handle_availability(call: Call) -> Answer:
    """Tell whether a new account could have a handle, and which it could have instead."""
    found = await call.services.handle_availability.look(call.params["handle"], call.params.get("email"))
    result: dict[str, Any] = {"$type": f"{_HANDLE}#resultAvailable"}
    if not found.is_free:
        suggestions = [{"handle": each.handle, "method": each.method} for each in found.suggestions]
        result = {"$type": f"{_HANDLE}#resultUnavailable", "suggestions": suggestions}
    return {"handle": found.handle, "result": result}
