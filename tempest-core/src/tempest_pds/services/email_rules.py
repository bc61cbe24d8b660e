"""Which e-mail addresses an account may have."""

import re
from collections.abc import Iterable
from typing import Final

from tempest_pds.services.errors import InvalidRequest

_MAX_LENGTH: Final = 254
# What mail servers accept in practice: no quoted local parts, no address literals, no comments.
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
_UNSUPPORTED: Final = "This email address is not supported, please use a different email."


class UnsupportedEmail(InvalidRequest):
    """An address that no account may have; clients know it as InvalidRequest."""

    name = "InvalidRequest"


class EmailRules:
    """Take the addresses that owners of accounts give, and refuse those that are thrown away after a day.

    The list of disposable domains is one that the `disposable-email-domains` project keeps, and the reference server
    uses; a new installation brings the newest. https://github.com/disposable-email-domains/disposable-email-domains

    Args:
        blocked: domains beside that list, in lower case, each with all below it.
        allowed: domains that are taken although they, or one above them, are listed.
    """

    def __init__(self, blocked: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        self._blocked = frozenset(blocked)
        self._allowed = frozenset(allowed)

    def parse(self, text: str) -> str:
        """Check an address and fold it to lower case, as `parse_email` does.

        Raises:
            UnsupportedEmail: no mail can be sent there, or not for long.
        """
        email = parse_email(text)
        if self._is_disposable(email.rpartition("@")[2]):
            raise UnsupportedEmail(_UNSUPPORTED)
        return email

    def _is_disposable(self, domain: str) -> bool:
        # Loaded by the first address, not by the start: ten thousand names are a megabyte.
        from disposable_email_domains import blocklist

        labels = domain.split(".")
        for start in range(len(labels) - 1):
            name = ".".join(labels[start:])
            if name in self._allowed:
                return False
            if name in self._blocked or name in blocklist:
                return True
        return False


def parse_email(text: str) -> str:
    """Check an address and fold it to lower case: two accounts never differ by case only.

    Raises:
        UnsupportedEmail: no mail can be sent there.
    """
    if len(text) > _MAX_LENGTH or len(text.partition("@")[0]) > 64 or _EMAIL.fullmatch(text) is None:
        raise UnsupportedEmail(_UNSUPPORTED)
    return text.lower()
