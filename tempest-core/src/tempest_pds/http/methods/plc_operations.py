"""com.atproto.identity.*: what an owner changes in his did:plc himself."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, HOUR, Limit, by_account
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.services.plc_operations import PlcChanges

# Each is a mail to somebody; the reference limits its other mails so, and forgot this one.
CODES: Final = Limit("plc-code", 5, HOUR, by_account)
CODES_PER_DAY: Final = Limit("plc-code-day", 15, DAY, by_account)
# One that is in force may be submitted again, and is an event each time.
SUBMISSIONS: Final = Limit("plc-submission", 30, HOUR, by_account)


@query("com.atproto.identity.getRecommendedDidCredentials")
async def get_recommended_did_credentials(call: Call) -> Answer:
    """Tell what the account's DID should say while it lives here."""
    recommended = call.services.plc_operations.recommend(call.caller.account)
    answer: dict[str, Any] = {
        "rotationKeys": recommended.rotation_keys,
        "verificationMethods": recommended.verification_methods,
        "services": recommended.services,
    }
    if recommended.also_known_as is not None:
        answer["alsoKnownAs"] = recommended.also_known_as
    return answer


@procedure(
    "com.atproto.identity.requestPlcOperationSignature",
    limits=(CODES_PER_DAY, CODES),
)
async def request_plc_operation_signature(call: Call) -> Answer:
    """Mail the code that signPlcOperation asks for."""
    call.services.step_up.check(call.caller)
    await call.services.plc_operations.request_signature(call.caller.account)
    return None


@procedure("com.atproto.identity.signPlcOperation")
async def sign_plc_operation(call: Call) -> Answer:
    """Sign a change of the account's DID, for its owner to submit here or where the account moves to."""
    given = call.input
    call.services.step_up.check(call.caller)
    signed = await call.services.plc_operations.sign(
        call.caller.account, given.get("token"), PlcChanges.from_input(given), call.origin
    )
    return {"operation": signed}


@procedure("com.atproto.identity.submitPlcOperation", limits=(SUBMISSIONS,))
async def submit_plc_operation(call: Call) -> Answer:
    """Publish a signed change of the account's DID that leaves the account working."""
    call.services.step_up.check(call.caller)
    await call.services.plc_operations.submit(call.caller.account, call.input["operation"], call.origin)
    return None
