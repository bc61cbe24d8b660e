"""Accounts, sessions and invite codes in the shapes that their lexicons give them."""

from __future__ import annotations

from typing import Any

from tempest_pds.protocol.syntax.handle import INVALID_HANDLE
from tempest_pds.services.administration import AccountInfo
from tempest_pds.services.sessions import Session
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


def session_view(session: Session) -> dict[str, Any]:
    """Shape a session as createSession and its kin answer with it."""
    account = session.account
    answer: dict[str, Any] = {
        "did": account.did,
        "handle": session.handle,
        "emailConfirmed": account.email_confirmed_at is not None,
        "active": account.is_active,
    }
    if account.email is not None:
        answer["email"] = account.email
    if session.did_doc is not None:
        answer["didDoc"] = session.did_doc
    if not account.is_active:
        answer["status"] = account.status
    if session.tokens is not None:
        answer["accessJwt"] = session.tokens.access_jwt
        answer["refreshJwt"] = session.tokens.refresh_jwt
    return answer
