"""Accounts and invite codes as com.atproto.admin.defs#accountView and com.atproto.server.defs#inviteCode have them."""

from __future__ import annotations

from typing import Any

from tempest_pds.protocol.syntax.handle import INVALID_HANDLE
from tempest_pds.services.administration import AccountInfo
from tempest_pds.services.timestamps import to_datetime
from tempest_pds.stores.account.invite_codes import InviteCode


def account_view(info: AccountInfo) -> dict[str, Any]:
    """Shape an account for its administrator."""
    account = info.account
    view: dict[str, Any] = {
        "did": account.did,
        "handle": account.handle or INVALID_HANDLE,
        "indexedAt": to_datetime(account.created_at),
        "invites": [invite_view(code) for code in info.invites],
        "invitesDisabled": account.invites_disabled,
    }
    if account.email is not None:
        view["email"] = account.email
    if account.email_confirmed_at is not None:
        view["emailConfirmedAt"] = to_datetime(account.email_confirmed_at)
    if info.invited_by is not None:
        view["invitedBy"] = invite_view(info.invited_by)
    if account.invite_note is not None:
        view["inviteNote"] = account.invite_note
    if account.deactivated_at is not None:
        view["deactivatedAt"] = to_datetime(account.deactivated_at)
    return view


def invite_view(code: InviteCode) -> dict[str, Any]:
    """Shape an invite code with its uses."""
    return {
        "code": code.code,
        "available": code.available_uses,
        "disabled": code.disabled,
        "forAccount": code.for_account,
        "createdBy": code.created_by,
        "createdAt": to_datetime(code.created_at),
        "uses": [{"usedBy": use.used_by, "usedAt": to_datetime(use.used_at)} for use in code.uses],
    }
