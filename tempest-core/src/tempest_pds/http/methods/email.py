"""com.atproto.server: an account's e-mail address is confirmed and changed, a forgotten password is reset."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, HOUR, MINUTE, Limit, by_account
from tempest_pds.http.xrpc import procedure

CONFIRMATIONS: Final = (
    Limit("email-confirmation", 5, HOUR, by_account),
    Limit("email-confirmation-day", 15, DAY, by_account),
)
UPDATE_REQUESTS: Final = (
    Limit("email-update", 5, HOUR, by_account),
    Limit("email-update-day", 15, DAY, by_account),
)
# Each may be a mail to somebody who has confirmed that address.
UPDATES: Final = Limit("email-change", 15, HOUR, by_account)
RESET_REQUESTS: Final = (Limit("password-reset", 15, HOUR), Limit("password-reset-day", 50, DAY))
RESETS: Final = Limit("password-reset-try", 50, 5 * MINUTE)


@procedure("com.atproto.server.requestEmailConfirmation", limits=CONFIRMATIONS)
async def request_email_confirmation(call: Call) -> Answer:
    """Mail a code that confirms the account's address."""
    await call.services.email_addresses.request_confirmation(call.caller.account)
    return None


@procedure("com.atproto.server.confirmEmail")
async def confirm_email(call: Call) -> Answer:
    """Confirm the account's address with a code."""
    given = call.input
    await call.services.email_addresses.confirm(call.caller.account, given["email"], given["token"], call.origin)
    return None


@procedure("com.atproto.server.requestEmailUpdate", limits=UPDATE_REQUESTS)
async def request_email_update(call: Call) -> Answer:
    """Mail the code that a change of address takes, if it takes one."""
    call.services.step_up.check(call.caller)
    return {"tokenRequired": await call.services.email_addresses.request_change(call.caller.account)}


@procedure("com.atproto.server.updateEmail", limits=(UPDATES,))
async def update_email(call: Call) -> Answer:
    """Give the account another address."""
    call.services.step_up.check(call.caller)
    given = call.input
    await call.services.email_addresses.change(call.caller.account, given["email"], given.get("token"), call.origin)
    return None


@procedure("com.atproto.server.requestPasswordReset", limits=RESET_REQUESTS)
async def request_password_reset(call: Call) -> Answer:
    """Mail a code that resets a password, if the address is that of an account."""
    call.services.password_reset.request(call.input["email"])
    return None


@procedure("com.atproto.server.resetPassword", limits=(RESETS,))
async def reset_password(call: Call) -> Answer:
    """Set another password with a code."""
    await call.services.password_reset.reset(call.input["token"], call.input["password"], call.origin)
    return None
