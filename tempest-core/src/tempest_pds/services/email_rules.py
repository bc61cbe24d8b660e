"""Which e-mail addresses an account may have."""

import re
from typing import Final

from tempest_pds.services.errors import InvalidRequest

_MAX_LENGTH: Final = 254
# What mail servers accept in practice: no quoted local parts, no address literals, no comments.
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)


def parse_email(text: str) -> str:
    """Check an address and fold it to lower case: two accounts never differ by case only.

    Raises:
        InvalidRequest: no mail can be sent there.
    """
    if len(text) > _MAX_LENGTH or len(text.partition("@")[0]) > 64 or _EMAIL.fullmatch(text) is None:
        raise InvalidRequest("This email address is not supported, please use a different email.")
    return text.lower()
