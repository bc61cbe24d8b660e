"""Password hashing: slow on purpose, so kept away from the event loop and bounded.

Argon2id with parameters of OWASP's password storage sheet: 7 MiB, five passes, one lane. Of those that it holds equal
these take the least time (some 15 ms of a core) and the least memory. As many run at once as there are threads here,
and a flood of logins waits in a short queue instead of eating the machine.
https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id

Nothing about an account shows in the time that a login takes: an unknown one is checked against a hash made for that
purpose. The reference server waits out 350 ms instead.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import NotEnoughResources

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MAX_LENGTH = 256
MAX_LOGIN_LENGTH = 512
_PASSES = 5
_THREADS = 2
_MAX_WAITING = 200
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Passwords:
    """Hash and check passwords.

    Args:
        memory_kib: of one hash; tests take less.
    """

    def __init__(self, *, memory_kib: int = 7 * 1024, threads: int = _THREADS) -> None:
        self._memory_kib = memory_kib
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a new password.

        Raises:
            NotEnoughResources: too many are waiting.
        """
        return await self._run(self._hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the one that was hashed.

        None stands for an account that does not exist or has no password: the answer is no, and takes as long.
        """
        return await self._run(self._verify, stored, password)

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        # Loaded by the first login, not by the start.
        from argon2 import PasswordHasher, Type

        return PasswordHasher(time_cost=_PASSES, memory_cost=self._memory_kib, parallelism=1, type=Type.ID)

    @cached_property
    def _dummy(self) -> str:
        # Written out rather than hashed: the first unknown account would otherwise take twice as long.
        return f"$argon2id$v=19$m={self._memory_kib},t={_PASSES},p=1${'A' * 22}${'A' * 43}"

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, stored: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(stored or self._dummy, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        if self._waiting >= _MAX_WAITING:
            raise NotEnoughResources("Too many logins at once, try again in a moment")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tempest-password")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._waiting -= 1


def generate_app_password() -> str:
    """Make an app password, `xxxx-xxxx-xxxx-xxxx` in base32: 80 bits of chance."""
    return _in_groups(4)


def generate_password() -> str:
    """Make an account's password, `xxxx-xxxx-xxxx-xxxx-xxxx` in base32: 100 bits, and told from an app password."""
    return _in_groups(5)


def _in_groups(groups: int) -> str:
    return "-".join("".join(secrets.choice(_BASE32) for _ in range(4)) for _ in range(groups))


def hash_app_password(did: Did, password: str) -> str:
    """Hash an app password, salted with its account, so that it can be looked up by its hash.

    A fast hash is enough: 80 random bits are beyond guessing at any speed.
    """
    return hmac.new(did.encode(), password.strip().lower().encode(), hashlib.sha256).hexdigest()
