"""What went wrong, in words for people: from the refusals of services to texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.email_addresses import EmailConfirmedElsewhere
from tempest_pds.services.email_rules import UnsupportedEmail
from tempest_pds.services.errors import (
    ExpiredToken,
    Forbidden,
    HandleNotAvailable,
    InvalidHandle,
    InvalidInviteCode,
    InvalidPassword,
    InvalidRequest,
    InvalidToken,
    MethodNotImplemented,
    UnsupportedDomain,
)
from tempest_pds.services.identities import HandleNotProved

# The first that fits counts. What is in none of them is a plugin's own refusal, or a fault that nobody expects.
_TEXTS: Final[Mapping[type[TempestError], tuple[str, str]]] = {
    HandleNotAvailable: ("name", "This name is taken. Please choose another."),
    InvalidHandle: ("name", "A name has 3 to 18 letters or digits. It may have hyphens inside."),
    UnsupportedDomain: ("name", "Names of this domain are not given out here."),
    HandleNotProved: ("domain_name", "This domain does not lead to your account yet. It may take some minutes."),
    UnsupportedEmail: ("email", "No mail can be sent to this address, or not for long. Please use another."),
    EmailConfirmedElsewhere: (
        "form",
        "Another account here has confirmed this address already. Please give this account another address.",
    ),
    InvalidPassword: ("password", "A password has 8 to 256 characters."),
    InvalidInviteCode: ("invite_code", "This invite code is not good, or used up already."),
    ExpiredToken: ("code", "This code is too old. Please ask for another."),
    InvalidToken: ("code", "This is not the code from the newest mail."),
    MethodNotImplemented: ("form", "This server sends no mail. Please ask its operator for help."),
    RemoteError: ("form", "The directory of identities does not answer. Please try again in some minutes."),
}


def problem_with(visit: Visit, error: TempestError) -> dict[str, str] | None:
    """Say what is wrong, by the name of the field that it concerns, or `form`; None for what is no refusal to show."""
    for kind, (field, text) in _TEXTS.items():
        if isinstance(error, kind):
            return {field: visit.texts(text)}
    if isinstance(error, (InvalidRequest, Forbidden)):
        return {"form": visit.texts(str(error))}
    return None
