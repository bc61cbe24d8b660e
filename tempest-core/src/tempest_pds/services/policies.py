"""What plugins are asked about sign-ins and consent, and told of them; that of sign-ups is in `sign_up`.

A policy on sign-ins is asked once everything was proven, lest strangers hear of accounts: the password, and the second
factor of an account that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.errors import Forbidden
from tempest_pds.stores.account.accounts import Account
from tempest_pds_plugins.hookspecs import SecondFactor, SignInMethod, SignInSurface


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """Somebody who has proven to own an account.

    Attributes:
        surface: where.
        client_id: of the app that sent him to the pages; None when none did.
    """

    account: Account
    client_ip: str | None
    method: SignInMethod
    surface: SignInSurface
    second_factor: SecondFactor | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppGrant:
    """What somebody lets an app do; `client_name` is what the app calls itself, which anybody can claim."""

    account: Account
    client_id: str
    client_name: str | None
    scopes: Sequence[str]
    client_ip: str | None


def check_sign_in(hooks: AccountHooks, signing_in: SigningIn) -> None:
    """Pass unless a policy is against a sign-in; raise Forbidden with its reason."""
    _check(hooks, "check_sign_in", _sign_in(signing_in))


def tell_signed_in(hooks: AccountHooks, signing_in: SigningIn) -> None:
    """Tell plugins that a session was opened, in a browser or for an app."""
    hooks.notify("signed_in", **_sign_in(signing_in))


def check_consent(hooks: AccountHooks, grant: AppGrant) -> None:
    """Pass unless a policy is against what somebody is about to allow an app; raise Forbidden with its reason."""
    _check(hooks, "check_consent", _grant(grant))


def tell_app_authorized(hooks: AccountHooks, grant: AppGrant) -> None:
    """Tell plugins that somebody has allowed an app something."""
    hooks.notify("app_authorized", **_grant(grant))


def tell_app_revoked(hooks: AccountHooks, account: Account, client_id: str) -> None:
    """Tell plugins that an app may do nothing any more with an account."""
    hooks.notify("app_revoked", did=str(account.did), handle=_handle(account), client_id=client_id)


def _check(hooks: AccountHooks, hook_name: str, arguments: dict[str, object]) -> None:
    refusal = hooks.first_refusal(hook_name, **arguments)
    if refusal is not None:
        raise Forbidden(refusal)


def _sign_in(signing_in: SigningIn) -> dict[str, object]:
    return {
        "did": str(signing_in.account.did),
        "handle": _handle(signing_in.account),
        "client_ip": signing_in.client_ip,
        "method": signing_in.method,
        "second_factor": signing_in.second_factor,
        "surface": signing_in.surface,
        "client_id": signing_in.client_id,
    }


def _grant(grant: AppGrant) -> dict[str, object]:
    return {
        "did": str(grant.account.did),
        "handle": _handle(grant.account),
        "client_id": grant.client_id,
        "client_name": grant.client_name,
        "scopes": tuple(grant.scopes),
        "client_ip": grant.client_ip,
    }


def _handle(account: Account) -> str | None:
    return None if account.handle is None else str(account.handle)
