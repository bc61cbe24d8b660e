"""The keys that access tokens of OAuth are signed with."""

from __future__ import annotations

from datetime import UTC, datetime

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer


@admin_route("GET", "/xrpc/_admin/oauth/keys")
async def oauth_keys(call: AdminCall) -> Answer:
    """List the keys that access tokens are verified with, never their private halves; the last one signs."""
    return {
        "keys": [
            {"kid": key.kid, "created": _time(key.created), "ends": None if key.ends is None else _time(key.ends)}
            for key in call.services.oauth.keys.report()
        ]
    }


@admin_route("POST", "/xrpc/_admin/oauth/keys/rotate")
async def rotate_oauth_keys(call: AdminCall) -> Answer:
    """Have a new key sign access tokens; with `now`, those signed with former keys are refused from this moment on."""
    kid = await call.services.oauth.keys.rotate(at_once=call.flag("now"))
    call.audit(kid)
    return {"kid": kid}


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
