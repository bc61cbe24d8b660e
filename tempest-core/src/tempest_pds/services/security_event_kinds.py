"""What is noted for the owner of an account, and the words for it: all in one place, for whoever translates it.

An event is shown as the words of its kind, and below them each fact of its detail that stands in `FACTS`, with the
words in `VALUES` where a value is not plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """What has happened to an account."""

    ACCOUNT_CREATED = "account_created"
    SIGNED_IN = "signed_in"
    APP_PASSWORD_USED = "app_password_used"  # noqa: S105 - the name of a kind
    SIGN_IN_FAILED = "sign_in_failed"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    BROWSER_SIGNED_OUT = "browser_signed_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a kind
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a kind
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of a kind
    EMAIL_CHANGED = "email_changed"
    EMAIL_CONFIRMED = "email_confirmed"
    EMAIL_GIVEN_AGAIN = "email_given_again"
    EMAIL_SET = "email_set"
    HANDLE_CHANGED = "handle_changed"
    HANDLE_LOST = "handle_lost"
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    APP_PASSWORD_MADE = "app_password_made"  # noqa: S105 - the name of a kind
    APP_PASSWORD_REVOKED = "app_password_revoked"  # noqa: S105 - the name of a kind
    APP_AUTHORIZED = "app_authorized"
    APP_REVOKED = "app_revoked"
    APP_SIGNED_OUT = "app_signed_out"
    APP_TOKEN_MISUSED = "app_token_misused"  # noqa: S105 - the name of a kind
    PLC_OPERATION_SIGNED = "plc_operation_signed"
    PLC_OPERATION = "plc_operation"
    DEACTIVATED = "deactivated"
    ACTIVATED = "activated"
    DELETION_ASKED = "deletion_asked"


TEXTS: Final[Mapping[EventKind, str]] = {
    EventKind.ACCOUNT_CREATED: "The account was created",
    EventKind.SIGNED_IN: "Somebody signed in",
    EventKind.APP_PASSWORD_USED: "An app signed in with an app password",
    EventKind.SIGN_IN_FAILED: "Somebody tried wrong passwords, again and again",
    EventKind.SECOND_FACTOR_FAILED: "Somebody had the right password, and gave wrong codes for the second step",
    EventKind.BROWSER_SIGNED_OUT: "A browser was signed out",
    EventKind.PASSWORD_CHANGED: "The password was changed",
    EventKind.PASSWORD_RESET: "A new password was set with a code from a mail",
    EventKind.PASSWORD_SET: "Whoever runs this server set a new password",
    EventKind.EMAIL_CHANGED: "The e-mail address was changed",
    EventKind.EMAIL_CONFIRMED: "The e-mail address was confirmed",
    EventKind.EMAIL_GIVEN_AGAIN: "Somebody gave the e-mail address of this account for another one here",
    EventKind.EMAIL_SET: "Whoever runs this server set another e-mail address",
    EventKind.HANDLE_CHANGED: "The handle was changed",
    EventKind.HANDLE_LOST: "The handle went to another account, which its domain names now",
    EventKind.SECOND_FACTOR_ADDED: "A second step was added to signing in",
    EventKind.SECOND_FACTOR_REMOVED: "A second step was taken away from signing in",
    EventKind.RECOVERY_CODE_USED: "A recovery code was used",
    EventKind.RECOVERY_CODES_MADE: "New recovery codes were made",
    EventKind.APP_PASSWORD_MADE: "An app password was made",
    EventKind.APP_PASSWORD_REVOKED: "An app password was revoked",
    EventKind.APP_AUTHORIZED: "An app was allowed to use the account",
    EventKind.APP_REVOKED: "An app may not use the account any more",
    EventKind.APP_SIGNED_OUT: "An app was signed out",
    EventKind.APP_TOKEN_MISUSED: "An app was signed out, as somebody may have a copy of what it signs in with",
    EventKind.PLC_OPERATION_SIGNED: "A change of the account's identity was signed",
    EventKind.PLC_OPERATION: "The account's identity was changed in the PLC directory",
    EventKind.DEACTIVATED: "The account was deactivated",
    EventKind.ACTIVATED: "The account was activated again",
    EventKind.DELETION_ASKED: "Somebody asked for the code that deletes the account",
}

FACTS: Final[Mapping[str, str]] = {
    "door": "Where",
    "factor": "Second step",
    "app": "App",
    "client_id": "Identifier of the app",
    "name": "Name",
    "handle": "Handle",
    "browser": "Browser",
    "left": "Recovery codes left",
    "by": "By",
    "delete_after": "To be deleted after",
}

VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "door": {
        "api": "in an app, with the password",
        "pages": "on the pages of this server",
        "authorize": "on the pages of this server, to allow an app",
    },
    "factor": {
        "totp": "a code from an authenticator app",
        "recovery_code": "a recovery code",
        "passkey": "a passkey",
        "all": "all of them",
    },
    "by": {"operator": "whoever runs this server"},
}


def told_of_app(client_id: str, client_name: str | None) -> dict[str, str]:
    """Give the detail of an event that concerns an app; `client_name` is its own word for itself."""
    return {"client_id": client_id} if client_name is None else {"app": client_name, "client_id": client_id}
