"""Whether a new account could have a handle: com.atproto.temp.checkHandleAvailability.

A sign-up form asks while somebody types. What is told here createAccount tells as well; of e-mail addresses nothing is
told, but whether one could be an address at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.email_rules import parse_email
from tempest_pds.services.errors import HandleNotAvailable, InvalidEmail, InvalidRequest
from tempest_pds.services.handle_rules import MAX_LENGTH
from tempest_pds.services.identities import Identities
from tempest_pds.services.sign_up import SignUp

_SUGGESTIONS: Final = 3
_ATTEMPTS: Final = 12


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A handle that is free; `method` names how it was found."""

    handle: Handle
    method: str


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a handle is free, and some that are where it is not."""

    handle: Handle
    is_free: bool
    suggestions: Sequence[Suggestion] = ()


class HandleAvailability:
    """Looks whether handles are free."""

    def __init__(self, identities: Identities, sign_up: SignUp) -> None:
        self._identities = identities
        self._sign_up = sign_up

    async def look(self, text: str, email: str | None = None) -> Availability:
        """Tell whether a new account could have a handle.

        Raises:
            InvalidHandle, UnsupportedDomain: nobody can sign up with it.
            InvalidEmail: `email` is no address that mail can be sent to.
        """
        if email is not None:
            try:
                parse_email(email)
            except InvalidRequest as error:
                raise InvalidEmail(str(error)) from error
        handle = Handle.parse(text)
        if await self._is_free(handle):
            return Availability(handle, True)
        free = []
        for candidate in dict.fromkeys(_variations(handle)):
            if await self._is_free(candidate):
                free.append(Suggestion(candidate, "number"))
                if len(free) == _SUGGESTIONS:
                    break
        return Availability(handle, False, free)

    async def _is_free(self, handle: Handle) -> bool:
        try:
            await self._identities.check_handle(handle, None)
        except HandleNotAvailable:
            return False
        return not self._sign_up.is_taken(handle)


def _variations(handle: Handle) -> Iterator[Handle]:
    """Put numbers behind the first label, cut so that there is room: longer ones as short ones turn out to be taken."""
    front, _, domain = handle.partition(".")
    for attempt in range(_ATTEMPTS):
        digits = 1 + attempt // 3
        number = str(10 ** (digits - 1) + secrets.randbelow(9 * 10 ** (digits - 1)))
        yield Handle(f"{front[: MAX_LENGTH - len(number)].rstrip('-')}{number}.{domain}")
