"""Invite codes: who may open an account on a server that is not open to all."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import InvalidInviteCode, InvalidRequest
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.invite_codes import InviteCode, InviteCodeUnavailable

ADMIN: Final = "admin"
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_MAX_CODES: Final = 1000
_MAX_USES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class InviteBatch:
    """The codes that were made for one account, or for `admin`."""

    account: str
    codes: tuple[str, ...]


class Invites:
    """Make invite codes and look at them.

    Args:
        hostname: every code starts with it, so that a person sees where it belongs.
    """

    def __init__(
        self, store: AccountStore, writer: AccountWriter, hostname: str, now: Callable[[], int] = now_us
    ) -> None:
        self._store = store
        self._writer = writer
        self._prefix = hostname.replace(".", "-")
        self._now = now

    async def create(self, use_count: int, *, count: int = 1, accounts: Sequence[str] = (ADMIN,)) -> list[InviteBatch]:
        """Make `count` codes for each account, each good for `use_count` sign-ups.

        Raises:
            InvalidRequest: a number that makes no sense.
        """
        if not 1 <= use_count <= _MAX_USES or not 1 <= count <= _MAX_CODES or len(accounts) > _MAX_CODES:
            raise InvalidRequest("useCount and codeCount must be at least 1, and within reason")
        now = self._now()
        batches = [InviteBatch(account, tuple(self._generate() for _ in range(count))) for account in accounts]
        rows = [
            InviteCode(code=code, available_uses=use_count, for_account=batch.account, created_by=ADMIN, created_at=now)
            for batch in batches
            for code in batch.codes
        ]
        await self._writer.run(self._store.invite_codes.create, rows)
        return batches

    def check(self, code: str) -> None:
        """Raise InvalidInviteCode unless an account may be made with this code now."""
        try:
            self._store.invite_codes.check(code)
        except InviteCodeUnavailable as error:
            raise InvalidInviteCode("Provided invite code not available") from error

    def list_for(self, did: Did, *, include_used: bool = True) -> list[InviteCode]:
        """List the codes that an account may give away. Nobody earns codes here by waiting."""
        return [
            code
            for code in self._store.invite_codes.of_accounts([did])[did]
            if not code.disabled and (include_used or code.uses_left)
        ]

    def _generate(self) -> str:
        letters = "".join(secrets.choice(_BASE32) for _ in range(10))
        return f"{self._prefix}-{letters[:5]}-{letters[5:]}"
