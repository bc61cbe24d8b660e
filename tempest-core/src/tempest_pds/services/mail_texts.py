"""What the mails say that this server writes to its users: all of it in one place, for whoever translates it.

`mail_layout` makes a text and an HTML part of what is written here. In braces may stand `account`, the handle with an
`@` in front, or the DID of an account that has none; `other`, the same of another; `handle`, a new one; `host`;
`until` and `minutes`, of a code; `left`, of the recovery codes; `when`, of what is to come; `ask`, in the middle of a
sentence, where help is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tempest_pds.services.mail_layout import MailLayout
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import LIFETIME_US, EmailTokenPurpose
from tempest_pds_plugins.mailer import Mail

_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class CodeText:
    """What a mail says that brings a code.

    Attributes:
        asked: who asked for what.
        use: what to do with the code.
        not_you: what to do for a reader who did not ask.
    """

    subject: str
    heading: str
    asked: str
    use: str
    not_you: str


@dataclass(frozen=True, slots=True)
class NoticeText:
    """What a mail says that tells of something that has happened."""

    subject: str
    heading: str
    happened: str
    was_you: str
    not_you: str


_IGNORE: Final = "If it was not you, do nothing: without the code nothing happens."
_SOMEBODY_ELSE_IS_IN: Final = (
    "If it was not you, somebody else is signed in to your account. Keep the code to yourself, and reset your "
    "password: that ends every session."
)

CODES: Final[Mapping[EmailTokenPurpose, CodeText]] = {
    EmailTokenPurpose.CONFIRM_EMAIL: CodeText(
        subject="Confirm your e-mail address for {account}",
        heading="Confirm your e-mail address",
        asked="Somebody who is signed in to {account} on {host} asked to confirm that this is the account's address.",
        use="To confirm it, enter this code where you asked for it:",
        not_you="If you have no account on {host}, somebody has entered your address by mistake. Do nothing: without "
        "the code it is not confirmed.",
    ),
    EmailTokenPurpose.UPDATE_EMAIL: CodeText(
        subject="Change the e-mail address of {account}",
        heading="Change your e-mail address",
        asked="Somebody who is signed in to {account} on {host} wants its mail to go to another address than this.",
        use="To allow it, enter this code where you asked for it:",
        not_you=_SOMEBODY_ELSE_IS_IN,
    ),
    EmailTokenPurpose.RESET_PASSWORD: CodeText(
        subject="Reset the password of {account}",
        heading="Reset your password",
        asked="Somebody asked for a new password for {account} on {host}. Anybody who knows your address can ask; "
        "only this mail has the code.",
        use="To choose a new password, enter this code where you asked for it:",
        not_you=_IGNORE + " Your password stays as it is.",
    ),
    EmailTokenPurpose.DELETE_ACCOUNT: CodeText(
        subject="Delete the account {account}",
        heading="Delete your account",
        asked="Somebody who is signed in to {account} on {host} asked to delete it, with all its posts, pictures and "
        "followers. There is no way back.",
        use="To delete it for good, enter this code where you asked for it, with your password:",
        not_you=_SOMEBODY_ELSE_IS_IN,
    ),
    EmailTokenPurpose.PLC_OPERATION: CodeText(
        subject="Change the identity of {account}",
        heading="Change your identity",
        asked="Somebody who is signed in to {account} on {host} wants to change its identity in the PLC directory. "
        "That is part of a move to another server; who can do it can also take the account away from you.",
        use="To allow it, enter this code where you asked for it, or where you are moving your account:",
        not_you=_SOMEBODY_ELSE_IS_IN,
    ),
}

CODE_TERMS: Final = (
    "The code works once, until {until} ({minutes} minutes after it was asked for). Only you were sent it, "
    "and nobody from {host} will ever ask you for it."
)
FOOTER: Final = (
    "You get this mail because this address was given for the account {account} on {host}. Replies are not read."
)

_FIVE_A_DAY: Final = (
    " You get at most five mails a day about this; what else happened stands on the security page of your account."
)

EMAIL_CHANGED: Final = NoticeText(
    subject="The e-mail address of {account} was changed",
    heading="Your e-mail address was changed",
    happened="Mail for {account} on {host} goes to another address from now on. This is the last mail to this one.",
    was_you="If you changed it, there is nothing to do.",
    not_you="If you did not, somebody else is signed in to your account. Sign in now, set your address back, and then "
    "reset your password. If you cannot, because the other address has been confirmed already or for another reason, "
    "{ask}.",
)
EMAIL_SET: Final = NoticeText(
    subject="{host} changed the e-mail address of {account}",
    heading="Your e-mail address was changed for you",
    happened="Whoever runs {host} has set another address for {account}. This is the last mail to this one.",
    was_you="If you asked for that, there is nothing to do.",
    not_you="If you did not, {ask}.",
)
EMAIL_GIVEN_AGAIN: Final = NoticeText(
    subject="The e-mail address of {account} was given for another account",
    heading="Your e-mail address was given again",
    happened="Somebody gave this address for the account {other} on {host}. It is the confirmed address of {account}, "
    "and stays that: nobody gets into {account} by giving its address.",
    was_you="If it was you, sign in to the other account with its handle. As an address can be confirmed for one "
    "account only, give it an address of its own: without one, a forgotten password cannot be reset.",
    not_you="If it was not you, there is nothing to do. You are told of it once a day at most; should it not "
    "end, {ask}.",
)
PASSWORD_RESET: Final = NoticeText(
    subject="The password of {account} was changed",
    heading="Your password was changed",
    happened="A new password was set for {account} on {host} with a code from a mail to this address. Whoever was "
    "signed in has to sign in again.",
    was_you="If it was you, sign in with the new password. App passwords still work: delete those you do not know.",
    not_you="If it was not you, somebody else reads your mail. Change the password of your mailbox first, then reset "
    "the password of your account. If you cannot, {ask}.",
)
PASSWORD_CHANGED: Final = NoticeText(
    subject="A new password was set for {account}",
    heading="Your password was changed",
    happened="Somebody who was signed in to {account} on {host}, and gave its password once more, set a new one. "
    "Whoever was signed in elsewhere has to sign in again.",
    was_you="If it was you, there is nothing to do. App passwords still work: take back those that you do not know.",
    not_you="If it was not you, somebody else knew your password. Reset it now, with a code by mail: that ends every "
    "session. If you cannot, {ask}." + _FIVE_A_DAY,
)
PASSWORD_SET: Final = NoticeText(
    subject="{host} set a new password for {account}",
    heading="A new password was set for you",
    happened="Whoever runs {host} has set a new password for {account}. Whoever was signed in has to sign in again.",
    was_you="If you asked for that, sign in with the password that you were given. To choose one of your own, say in "
    "your app that you have forgotten it.",
    not_you="If you did not, {ask}.",
)
SECOND_STEP_ADDED: Final = NoticeText(
    subject="A second step was added to signing in to {account}",
    heading="A second step was added",
    happened="An authenticator app or a passkey was added to {account} on {host}. It is asked for beside the password.",
    was_you="If it was you, keep your recovery codes where you find them without your phone.",
    not_you="If it was not you, somebody else is signed in to your account. Reset your password, which ends every "
    "session, and {ask}: who runs the server can remove the second step." + _FIVE_A_DAY,
)
SECOND_STEP_REMOVED: Final = NoticeText(
    subject="A second step was removed from signing in to {account}",
    heading="A second step was removed",
    happened="An authenticator app or a passkey was removed from {account} on {host}, and is not asked for any more.",
    was_you="If it was you, there is nothing to do.",
    not_you="If it was not you, somebody else is signed in to your account. Reset your password, which ends every "
    "session, and set the second step up again. If you cannot, {ask}." + _FIVE_A_DAY,
)
SECOND_STEP_OFF: Final = NoticeText(
    subject="{host} removed the second step of {account}",
    heading="Your second step was removed",
    happened="Whoever runs {host} has removed the second step of signing in to {account}. Its password alone opens it.",
    was_you="If you asked for that, sign in, and set the second step up again.",
    not_you="If you did not, {ask}.",
)
HANDLE_CHANGED: Final = NoticeText(
    subject="The handle of {account} was changed",
    heading="Your handle was changed",
    happened="{account} on {host} is called @{handle} now, and is found by that name. It was changed by who is "
    "signed in, by an app that is allowed to, or by whoever runs {host}.",
    was_you="If that is what you wanted, there is nothing to do.",
    not_you="If it is not, take back the apps and app passwords that you do not know, reset your password, which ends "
    "every session, and set your handle back. If you cannot, {ask}." + _FIVE_A_DAY,
)
APP_PASSWORD_MADE: Final = NoticeText(
    subject="A new app password for {account}",
    heading="An app password was made",
    happened="Somebody who is signed in to {account} on {host} made an app password. Who has it can use the account "
    "in an app, without your password and without a second step.",
    was_you="If it was you, there is nothing to do.",
    not_you="If it was not you, somebody else is signed in to your account. Reset your password, which ends every "
    "session, and then take the app password back: a new password does not end it. If you cannot, {ask}." + _FIVE_A_DAY,
)
RECOVERY_CODE_USED: Final = NoticeText(
    subject="A recovery code of {account} was used",
    heading="A recovery code was used",
    happened="Somebody gave the password of {account} on {host}, and one of its recovery codes as the second step. "
    "Recovery codes left: {left}.",
    was_you="If it was you, there is nothing to do. Make new codes before you run out of them.",
    not_you="If it was not you, somebody else knows your password and has your recovery codes. Reset your password "
    "now, which ends every session, and then make new recovery codes. If you cannot, {ask}." + _FIVE_A_DAY,
)
DELETION_PLANNED: Final = NoticeText(
    subject="The account {account} is to be deleted",
    heading="Your account is to be deleted",
    happened="{account} on {host} was deactivated, and is to be deleted after {when}: its posts, its pictures and "
    "everything else that it has here.",
    was_you="If that is what you want, there is nothing to do. To keep it, sign in before that time and activate it "
    "again.",
    not_you="If it was not you, somebody else is signed in to your account. Activate it again, and reset your "
    "password: that ends every session. If you cannot, {ask}.",
)
ACCOUNT_DELETED: Final = NoticeText(
    subject="The account {account} was deleted",
    heading="Your account was deleted",
    happened="{account} on {host} was deleted, as had been asked for: its posts, its pictures and everything else that "
    "it had here. This is the last mail about it.",
    was_you="If that is what you wanted, there is nothing to do.",
    not_you="If it was not you, somebody else had your password, and perhaps reads your mail. Change the password of "
    "your mailbox, and {ask}.",
)
ASK_OPERATOR: Final = "write to {contact}"
ASK_SOMEBODY: Final = "ask whoever runs {host}"


class MailTexts:
    """Write mails.

    Args:
        hostname: of the server, by which people know it.
        contact: the operator's address, for who needs help; None when he gives none.
    """

    def __init__(self, hostname: str, contact: str | None = None) -> None:
        self._hostname = hostname
        self._contact = contact
        self._layout = MailLayout()

    def code(self, account: Account, purpose: EmailTokenPurpose, code: str, until: int) -> Mail:
        """Write the mail that brings a code to an account that has an e-mail address.

        Args:
            until: when the code's time is over, in microseconds since 1970.
        """
        assert account.email is not None, "checked by who sends codes"
        text = CODES[purpose]
        words = self._words(account) | {
            "until": f"{_moment(until):%H:%M} UTC",
            "minutes": str(LIFETIME_US // _MINUTE_US),
        }
        return self._layout.mail(
            account.email,
            text.subject.format(**words),
            text.heading,
            [text.asked.format(**words), text.use],
            [CODE_TERMS.format(**words), text.not_you.format(**words)],
            FOOTER.format(**words),
            code,
        )

    def email_changed(self, account: Account) -> Mail | None:
        """Write to the address that an account had until now; None when it had none."""
        return None if account.email is None else self._notice(account, account.email, EMAIL_CHANGED)

    def address_given(self, account: Account, other: Account) -> Mail:
        """Tell the owner of an account's address, which must be there, that it was given for another account too."""
        assert account.email is not None, "one that is confirmed"
        return self._notice(account, account.email, EMAIL_GIVEN_AGAIN, other=_name(other))

    def password_reset(self, account: Account) -> Mail | None:
        """Tell an account's owner that somebody has reset the password; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, PASSWORD_RESET)

    def password_changed(self, account: Account) -> Mail | None:
        """Tell an account's owner that somebody who was signed in has set a password; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, PASSWORD_CHANGED)

    def email_set(self, account: Account) -> Mail | None:
        """Write to the address that an account had until the administrator gave it another; None when it had none."""
        return None if account.email is None else self._notice(account, account.email, EMAIL_SET)

    def password_set(self, account: Account) -> Mail | None:
        """Tell an account's owner that the administrator has set a password; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, PASSWORD_SET)

    def second_step_added(self, account: Account) -> Mail | None:
        """Tell an account's owner that signing in takes a second factor more; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, SECOND_STEP_ADDED)

    def second_step_removed(self, account: Account) -> Mail | None:
        """Tell an account's owner that signing in takes a second factor less; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, SECOND_STEP_REMOVED)

    def second_step_off(self, account: Account) -> Mail | None:
        """Tell an account's owner that the operator removed all second factors; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, SECOND_STEP_OFF)

    def handle_changed(self, before: Account, handle: str) -> Mail | None:
        """Tell an account's owner that it has another handle; None when there is no address."""
        return None if before.email is None else self._notice(before, before.email, HANDLE_CHANGED, handle=handle)

    def app_password_made(self, account: Account) -> Mail | None:
        """Tell an account's owner of a new app password; None when there is no address.

        Its name is not told: who is not the owner would choose what stands in the mail.
        """
        return None if account.email is None else self._notice(account, account.email, APP_PASSWORD_MADE)

    def recovery_code_used(self, account: Account, left: int) -> Mail | None:
        """Tell an account's owner that a recovery code was used; None when there is no address."""
        if account.email is None:
            return None
        return self._notice(account, account.email, RECOVERY_CODE_USED, left=str(left))

    def account_deleted(self, account: Account) -> Mail | None:
        """Tell the owner of an account that it is gone, as he had asked; None when there is no address."""
        return None if account.email is None else self._notice(account, account.email, ACCOUNT_DELETED)

    def deletion_planned(self, account: Account, when: int) -> Mail:
        """Tell the owner of a deactivated account when it is to be deleted; it must have an address.

        Args:
            when: microseconds since 1970.
        """
        assert account.email is not None, "checked by who deactivates"
        moment = _moment(when)
        return self._notice(account, account.email, DELETION_PLANNED, when=f"{moment.day} {moment:%B %Y, %H:%M} UTC")

    def _notice(self, account: Account, address: str, text: NoticeText, **more: str) -> Mail:
        words = self._words(account) | more
        ask = ASK_SOMEBODY if self._contact is None else ASK_OPERATOR
        words["ask"] = ask.format(**words, contact=self._contact)
        return self._layout.mail(
            address,
            text.subject.format(**words),
            text.heading,
            [text.happened.format(**words)],
            [text.was_you, text.not_you.format(**words)],
            FOOTER.format(**words),
        )

    def _words(self, account: Account) -> dict[str, str]:
        return {"account": _name(account), "host": self._hostname}


def _name(account: Account) -> str:
    return account.did if account.handle is None else f"@{account.handle}"


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC)
