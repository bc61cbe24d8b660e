"""com.atproto.temp.*: methods that clients ask for although nobody has written them down for good."""

from __future__ import annotations

from tempest_pds.http.answers import Answer
from tempest_pds.http.auth import ACCESS
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import query
from tempest_pds.services.credentials import Scope


@query("com.atproto.temp.checkSignupQueue", auth=ACCESS.also(Scope.SIGNUP_QUEUED))
async def check_signup_queue(call: Call) -> Answer:
    """Tell a client that nobody has to queue here."""
    return {"activated": True}
