"""The step of a sign-in that asks for the second factor, for whichever page the password was given on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import SIGN_IN
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.errors import AuthenticationRequired, FactorUsedBefore, TooManyTries
from tempest_pds.services.sign_in import FactorAnswer, FactorKind, FactorNeeded

_SCRIPT: Final = "people/passkey.js"
_CODES: Final = frozenset({FactorKind.TOTP, FactorKind.RECOVERY_CODE})


def ask_for_factor(
    visit: Visit,
    needed: FactorNeeded,
    *,
    action: str,
    hidden: Mapping[str, str],
    form_targets: Sequence[str] = (),
    message: str | None = None,
    status: int = 200,
    start_over: str = SIGN_IN,
    request_id: str | None = None,
) -> Response:
    """Show the step.

    Args:
        action: the path that the answer is posted to.
        hidden: what the form carries on.
        form_targets: as for `Visit.page`.
        message: what was wrong with the answer before, in the visitor's language.
        start_over: the page that asks for the password.
        request_id: the authorization that the sign-in is for, which can be cancelled.
    """
    has_passkey = FactorKind.PASSKEY in needed.kinds and needed.passkey_request is not None
    return visit.page(
        "people/factor.html",
        status=status,
        form_targets=form_targets,
        script=_SCRIPT if has_passkey else None,
        action=action,
        hidden=dict(hidden),
        ticket=needed.ticket,
        takes_codes=bool(needed.kinds & _CODES),
        takes_app=FactorKind.TOTP in needed.kinds,
        passkey_request=needed.passkey_request if has_passkey else None,
        message=message,
        start_over=start_over,
        request_id=request_id,
    )


def given_factor(visit: Visit) -> FactorAnswer:
    """Read what the step's form brought."""
    code = "".join(visit.form.get("code", "").split())
    return FactorAnswer(code=code or None, passkey=visit.form.get("passkey") or None)


def needed_again(visit: Visit, error: AuthenticationRequired) -> tuple[FactorNeeded | None, str]:
    """Tell what to ask for after an answer that was not right, and say so; None when the sign-in has to begin anew."""
    try:
        needed = visit.services.sign_in.ask_again(visit.form.get("ticket", ""), visit.visitor)
    except AuthenticationRequired:
        return None, visit.texts("That took too long. Please sign in again.")
    if isinstance(error, TooManyTries):
        return needed, _too_many(visit, needed)
    if isinstance(error, FactorUsedBefore):
        return needed, visit.texts("This code was used already. Wait until your app shows the next one, and give that.")
    return needed, visit.texts("That was not right. Please try again.")


def _too_many(visit: Visit, needed: FactorNeeded) -> str:
    """Say how somebody gets in while no code of the app is looked at."""
    has_passkey = FactorKind.PASSKEY in needed.kinds
    if FactorKind.RECOVERY_CODE in needed.kinds:
        if has_passkey:
            return visit.texts(
                "Too many wrong codes. Wait a quarter of an hour at least, or use a recovery code or your passkey."
            )
        return visit.texts("Too many wrong codes. Wait a quarter of an hour at least, or use a recovery code.")
    if has_passkey:
        return visit.texts("Too many wrong codes. Wait a quarter of an hour at least, or use your passkey.")
    return visit.texts("Too many wrong codes. Wait a quarter of an hour at least.")
