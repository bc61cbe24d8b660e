"""What a person is asked next of an authorization request, if anything.

The client says how much it wants to be asked (`prompt`), who is expected (`login_hint`) and how fresh the sign-in must
be (`max_age`). The rest depends on who is signed in in the browser, and on what was granted before.

https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.oauth.requests import OpenRequest
from tempest_pds.services.second_factor.step_up import RECENT_SECONDS

Granted = Callable[[Did, str], ScopeSet | None]
"""What an account has allowed a client before: `Consents.granted`."""


class Step(StrEnum):
    """A page of the flow, by the last segment of its path."""

    CHOOSE = "choose"
    SIGN_IN = "sign-in"
    SIGN_UP = "sign-up"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Show:
    """A page is shown, about an account where one is meant."""

    step: Step
    did: Did | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """All was asked before: the client gets its code."""

    signed_in: SignedIn


@dataclass(frozen=True, slots=True)
class Deny:
    """The client wants nobody to be asked, and somebody would have to be."""

    error: str
    description: str


def first_step(request: OpenRequest, accounts: Sequence[SignedIn], granted: Granted) -> Show | Grant | Deny:
    """Tell how a request begins in a browser in which these accounts are signed in."""
    parameters = request.parameters
    fitting = [signed_in for signed_in in accounts if fits_hint(request, signed_in)]
    if parameters.prompt == "none":
        return _silently(request, fitting, granted)
    if parameters.prompt == "create":
        return Show(Step.SIGN_UP)
    if not accounts:
        return Show(Step.SIGN_IN)
    if parameters.prompt == "select_account":
        return Show(Step.CHOOSE)
    if parameters.login_hint is not None and not fitting:
        return Show(Step.SIGN_IN)
    if len(fitting) > 1:
        return Show(Step.CHOOSE)
    [only] = fitting
    step = next_step(request, only, granted)
    if isinstance(step, Grant) and (parameters.prompt is not None or parameters.login_hint is None):
        # Nobody is signed in to an app unseen but by an app that asks for it, or that knows them.
        return Show(Step.CHOOSE)
    return step


def next_step(request: OpenRequest, signed_in: SignedIn, granted: Granted) -> Show | Grant:
    """Tell what comes once a person has chosen an account, or has signed in to it."""
    did = signed_in.account.did
    if needs_login(request, signed_in):
        return Show(Step.SIGN_IN, did)
    if not is_active(signed_in) or not fits_hint(request, signed_in) or needs_consent(request, did, granted):
        return Show(Step.CONSENT, did)
    return Grant(signed_in)


def fits_hint(request: OpenRequest, signed_in: SignedIn) -> bool:
    """Tell whether an account is the one that the client expects, or any will do."""
    hint = request.parameters.login_hint
    return hint is None or hint in (signed_in.account.did, signed_in.account.handle)


def needs_login(request: OpenRequest, signed_in: SignedIn) -> bool:
    """Tell whether password and second factor were given too long ago, seen from when the client asked.

    Who wants the whole identity is let in by nobody who merely sits at a browser that is signed in. And no app at all
    is let in by a sign-in with the password alone once the account has a second factor.
    """
    if signed_in.lacks_factor:
        return True
    max_age = 0 if request.parameters.prompt == "login" else request.parameters.max_age
    if request.scopes.allows_identity("*"):
        max_age = min(RECENT_SECONDS, RECENT_SECONDS if max_age is None else max_age)
    return max_age is not None and signed_in.confirmed_at < request.created_at - max_age * 1_000_000


def needs_consent(request: OpenRequest, did: Did, granted: Granted) -> bool:
    """Tell whether a person must be asked what the client may do.

    They always are for one that anybody could pretend to be.
    """
    client = request.client
    if request.parameters.prompt == "consent" or not (client.metadata.is_confidential or client.is_trusted):
        return True
    before = granted(did, client.client_id)
    return before is None or not request.scopes <= before


def is_active(signed_in: SignedIn) -> bool:
    """Tell whether an account may be used by apps."""
    return signed_in.account.deactivated_at is None


def _silently(request: OpenRequest, fitting: Sequence[SignedIn], granted: Granted) -> Grant | Deny:
    active = [signed_in for signed_in in fitting if is_active(signed_in)]
    if not active:
        return Deny("login_required", "Nobody is signed in")
    if len(active) > 1:
        return Deny("account_selection_required", "Several accounts are signed in")
    if needs_login(request, active[0]):
        return Deny("login_required", "The password was given too long ago")
    if needs_consent(request, active[0].account.did, granted):
        return Deny("consent_required", "The account's owner must be asked")
    return Grant(active[0])
