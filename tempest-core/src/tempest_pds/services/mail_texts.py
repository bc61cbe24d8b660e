"""What the mails say that this server writes to its users."""

from __future__ import annotations

from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds_plugins.mailer import Mail


class MailTexts:
    """Write mails.

    Args:
        hostname: of the server, by which people know it.
    """

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname

    def code(self, account: Account, purpose: EmailTokenPurpose, code: str) -> Mail:
        """Write the mail that brings a code to an account that has an e-mail address."""
        assert account.email is not None, "checked by who sends codes"
        return Mail(account.email, f"Your code for {self._hostname}", f"Your code: {code}\n")

    def deletion_planned(self, account: Account, when: str) -> Mail:
        """Write the mail that says when a deactivated account is to be deleted; `when` is a datetime."""
        assert account.email is not None, "checked by who deactivates"
        name = f"@{account.handle}" if account.handle else account.did
        return Mail(
            account.email,
            f"Your account on {self._hostname} is to be deleted",
            f"""The account {name} on {self._hostname} was deactivated, and is to be deleted after
{when}: its posts, its pictures and everything else that it has here.

To keep it, log in before that time and activate it again. If it was not you who
deactivated it, change your password as well.
""",
        )
