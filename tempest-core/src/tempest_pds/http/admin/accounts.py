"""Accounts as a person who runs the server looks for them: by any name, or all of them."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.admin_routes import AdminCall, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.http.errors import XrpcError
from tempest_pds.services.errors import AccountNotFound
from tempest_pds.services.timestamps import to_datetime
from tempest_pds.stores.account.accounts import Account

_MAX_PAGE: Final = 500


@admin_route("GET", "/xrpc/_admin/account")
async def account(call: AdminCall) -> Answer:
    """Find an account by its handle or DID (`account`), whatever its status; with its second factors by kind."""
    found = _find(call)
    return {**_view(found), "secondFactors": sorted(call.services.second_factors.kinds(found.did))}


@admin_route("GET", "/xrpc/_admin/accounts")
async def accounts(call: AdminCall) -> Answer:
    """List all accounts, whatever their status, the oldest first: a page of `limit` after `cursor`."""
    limit = call.params.get("limit", str(_MAX_PAGE))
    if not limit.isdecimal() or not 0 < int(limit) <= _MAX_PAGE:
        raise XrpcError(400, "InvalidRequest", f"limit must be a number from 1 to {_MAX_PAGE}")
    found, cursor = call.services.administration.search(None, int(limit), call.params.get("cursor"))
    answer: dict[str, Any] = {"accounts": [_view(info.account) for info in found]}
    return answer if cursor is None else {**answer, "cursor": cursor}


@admin_route("POST", "/xrpc/_admin/account/suspend")
async def suspend(call: AdminCall) -> Answer:
    """Suspend an account (`account`): nothing of it is shown, and it can no longer write."""
    found = _find(call)
    await call.services.moderation.suspend_account(found.did)
    call.audit(found.did)
    return {"did": found.did}


@admin_route("POST", "/xrpc/_admin/account/unsuspend")
async def unsuspend(call: AdminCall) -> Answer:
    """End the suspension of an account (`account`); the answer tells the status that it has then."""
    account = await call.services.moderation.end_suspension(_find(call).did)
    call.audit(account.did)
    return {"did": account.did, "status": str(account.status)}


@admin_route("POST", "/xrpc/_admin/account/second-factor/off")
async def turn_off_second_factor(call: AdminCall) -> Answer:
    """Remove the second factors of an account (`account`) whose owner lost them; `wasOn` tells if there was one."""
    found = _find(call)
    was_on = await call.services.enrolment.turn_off(found.did)
    call.audit(found.did)
    return {"did": found.did, "wasOn": was_on}


def _find(call: AdminCall) -> Account:
    name = call.required("account")
    found = call.services.hosting.find(name)
    if found is None:
        raise AccountNotFound(f"{name}: there is no such account here")
    return found


def _view(account: Account) -> dict[str, Any]:
    return {
        "did": account.did,
        "handle": account.handle,
        "email": account.email,
        "status": str(account.status),
        "createdAt": to_datetime(account.created_at),
        "deactivatedAt": None if account.deactivated_at is None else to_datetime(account.deactivated_at),
        "deleteAfter": None if account.delete_after is None else to_datetime(account.delete_after),
    }
