"""What an account's owner may do only shortly after having given the second factor.

Who comes by a session, of a phone left lying about, can post with it and nothing worse: passwords for apps, changes of
the identity or the e-mail address and deletion take a session that was opened a few minutes ago with the second factor.
Accounts without one do these things as on any other server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials, Kind
from tempest_pds.services.errors import AuthFactorTokenRequired

RECENT_SECONDS: Final = 10 * 60


class Enrolment(Protocol):
    """What knows which accounts have a second factor."""

    def since(self, did: Did) -> int | None:
        """Tell since when an account has one, in microseconds since 1970; None when it has none."""
        ...


class StepUp:
    """Ask for the second factor anew.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, factors: Enrolment, clock: Callable[[], float] = time.time) -> None:
        self._factors = factors
        self._clock = clock

    def check(self, caller: Credentials) -> None:
        """Pass if the caller's account has no second factor, or it was given for this session within ten minutes.

        Raises:
            AuthFactorTokenRequired: it was not.
        """
        since = None if caller.did is None else self._factors.since(caller.did)
        if since is None:
            return
        # A clock that was set back makes nothing recent for longer.
        is_recent = caller.factor_at is not None and abs(self._clock() - caller.factor_at) < RECENT_SECONDS
        # An app that was let in before there was a factor was let in without it.
        if is_recent and (caller.kind is not Kind.OAUTH or (caller.factor_at or 0) >= since / 1_000_000):
            return
        again = "connect the app anew" if caller.kind is Kind.OAUTH else "sign in again with a code of it"
        raise AuthFactorTokenRequired(
            f"This account has a second factor: {again}, then repeat this within {RECENT_SECONDS // 60} minutes"
        )
