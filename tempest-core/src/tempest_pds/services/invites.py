"""Invite codes: who may open an account on a server that is not open to all."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import AccountNotFound, InvalidInviteCode, InvalidRequest
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.invite_codes import InviteCode, InviteCodeUnavailable

ADMIN: Final = "admin"
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_MAX_CODES: Final = 1000
_ORDERS: Final[dict[str, Literal["recent", "usage"]]] = {"recent": "recent", "usage": "usage"}
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

    def page(self, sort: str, limit: int, cursor: str | None) -> tuple[list[InviteCode], str | None]:
        """List a page of all codes, and the cursor of the next; None for a page that is empty.

        Args:
            sort: `recent` for the newest first, `usage` for the most used first.

        Raises:
            InvalidRequest: another order, or a cursor that is not one of ours.
        """
        order = _ORDERS.get(sort)
        if order is None:
            raise InvalidRequest(f"unknown sort method: {sort}")
        rows = self._store.invite_codes.page(order, limit, None if cursor is None else _parse_cursor(cursor))
        codes = [code for code, _ in rows]
        return (codes, f"{rows[-1][1][0]}::{rows[-1][1][1]}") if rows else ([], None)

    async def disable(self, codes: Sequence[str], accounts: Sequence[str]) -> None:
        """Disable codes, and every code of some accounts.

        Raises:
            InvalidRequest: those of the administrator, which can only be named one by one.
        """
        if ADMIN in accounts:
            raise InvalidRequest("cannot disable admin invite codes")
        await self._writer.run(self._store.invite_codes.disable, codes, accounts)

    async def set_allowed(self, did: Did, *, allowed: bool, note: str | None = None) -> None:
        """Say whether an account may invite, and why; raise AccountNotFound.

        The codes of an account that may not are worth nothing, until it may again.
        """
        if not await self._writer.run(self._store.accounts.set_invites, did, disabled=not allowed, note=note):
            raise AccountNotFound("Account not found")

    def _generate(self) -> str:
        letters = "".join(secrets.choice(_BASE32) for _ in range(10))
        return f"{self._prefix}-{letters[:5]}-{letters[5:]}"


def _parse_cursor(cursor: str) -> tuple[int, str]:
    number, separator, code = cursor.partition("::")
    if not separator or not number.isdecimal() or len(number) > 18 or not code:
        raise InvalidRequest("Malformed cursor")
    return int(number), code
