"""How many requests may be on their way at once, and in whose name.

A stranger's server can keep whoever asks it waiting until the time is up. If all requests drew on one pool, a few
hundred such would hold up everybody's. So each draws on a share as well: of the site it goes to, and of the account
that it is made for.
"""

import asyncio
from collections.abc import Callable

from tempest_pds.remote.errors import Busy

_ALL = ("all", "")


class Slots:
    """Hand out slots.

    Args:
        total: at once.
        per_site: at once for one site.
        per_caller: at once for one account.
        seconds: that a request waits for its slot.
    """

    def __init__(self, total: int, per_site: int, per_caller: int | None = None, *, seconds: float = 3.0) -> None:
        self._sizes = {"all": total, "site": per_site, "caller": per_caller or total}
        self._seconds = seconds
        self._shares: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._users: dict[tuple[str, str], int] = {}

    async def take(self, site: str, caller: str | None = None) -> Callable[[], None]:
        """Wait for a slot, and return what gives it back, however often it is called.

        Raises:
            Busy: there was none in time.
        """
        # One's own share first: who waits for that must not keep others from theirs.
        wanted = [("site", site), _ALL] if caller is None else [("caller", caller), ("site", site), _ALL]
        taken: list[tuple[str, str]] = []

        def give_back() -> None:
            while taken:
                share = taken.pop()
                self._shares[share].release()
                self._leave(share)

        try:
            async with asyncio.timeout(self._seconds):
                for share in wanted:
                    await self._enter(share)
                    taken.append(share)
        except BaseException as error:
            give_back()
            if isinstance(error, TimeoutError):
                raise Busy("Too many requests to other servers are on their way") from error
            raise
        return give_back

    async def _enter(self, share: tuple[str, str]) -> None:
        if share not in self._shares:
            self._shares[share] = asyncio.Semaphore(self._sizes[share[0]])
        self._users[share] = self._users.get(share, 0) + 1
        try:
            await self._shares[share].acquire()
        except BaseException:
            self._leave(share)
            raise

    def _leave(self, share: tuple[str, str]) -> None:
        self._users[share] -= 1
        if not self._users[share]:
            del self._users[share], self._shares[share]
