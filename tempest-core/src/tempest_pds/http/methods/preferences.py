"""app.bsky.actor.getPreferences and putPreferences: what apps keep with the account rather than in the repository."""

from __future__ import annotations

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import procedure, query


@query("app.bsky.actor.getPreferences", elsewhere=True)
async def get_preferences(call: Call) -> Answer:
    """Give the account's preferences."""
    assert call.credentials is not None
    return {"preferences": call.services.preferences.get(call.credentials)}


@procedure("app.bsky.actor.putPreferences", elsewhere=True)
async def put_preferences(call: Call) -> Answer:
    """Replace the account's preferences."""
    assert call.credentials is not None
    await call.services.preferences.put(call.credentials, call.input["preferences"])
    return None
