"""Who is signed in at /admin: kept in memory, so it all ends with the process, and with it every change of the token.

The cookie holds 256 random bits, the table their hash. A session that is not used for half an hour ends, and every one
after twelve hours. Each has a token of its own that every form carries, so that no other site can submit one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

IDLE_SECONDS: Final = 30 * 60.0
ABSOLUTE_SECONDS: Final = 12 * 3_600.0
_AT_MOST: Final = 1_000


@dataclass(slots=True)
class AdminSession:
    """A browser whose user has given the administrator's token.

    Attributes:
        notice: what came of the last form, shown by the next page and then forgotten.
    """

    began_at: float
    used_at: float
    form_token: str = field(repr=False)
    notice: str | None = None

    def take_notice(self) -> str | None:
        """Give the notice, once."""
        notice, self.notice = self.notice, None
        return notice

    def accepts(self, form_token: str) -> bool:
        """Tell whether a form was written by this server for this session."""
        return hmac.compare_digest(form_token.encode("utf-8", "replace"), self.form_token.encode())


class AdminSessions:
    """The sessions there are.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, AdminSession] = {}
        self._login_key = secrets.token_bytes(32)

    def begin(self) -> str:
        """Begin a session, and give the cookie's value: always a new one, so that none can be foisted on a browser."""
        if len(self._sessions) >= _AT_MOST:
            self._sweep()
        identifier = secrets.token_urlsafe(32)
        now = self._clock()
        self._sessions[_digest(identifier)] = AdminSession(now, now, secrets.token_urlsafe(32))
        return identifier

    def find(self, identifier: str | None) -> AdminSession | None:
        """Find the session of a cookie, and note that it is in use; None when there is none, or it has ended."""
        if identifier is None:
            return None
        key = _digest(identifier)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._clock()
        if self._has_ended(session, now):
            del self._sessions[key]
            return None
        session.used_at = now
        return session

    def end(self, identifier: str | None) -> None:
        """End a session."""
        if identifier is not None:
            self._sessions.pop(_digest(identifier), None)

    def login_token(self, nonce: str) -> str:
        """Give what the login form carries: it fits the nonce in the browser's cookie, and no other."""
        return hmac.new(self._login_key, nonce.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def accepts_login(self, nonce: str | None, form_token: str) -> bool:
        """Tell whether a login form was written by this server for this browser."""
        if nonce is None:
            return False
        return hmac.compare_digest(form_token.encode("utf-8", "replace"), self.login_token(nonce).encode())

    def _has_ended(self, session: AdminSession, now: float) -> bool:
        return now - session.used_at >= IDLE_SECONDS or now - session.began_at >= ABSOLUTE_SECONDS

    def _sweep(self) -> None:
        now = self._clock()
        self._sessions = {key: kept for key, kept in self._sessions.items() if not self._has_ended(kept, now)}
        while len(self._sessions) >= _AT_MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used_at)]


def _digest(identifier: str) -> bytes:
    return hashlib.sha256(identifier.encode("utf-8", "replace")).digest()
