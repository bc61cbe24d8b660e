"""Invite codes: how many accounts each may still make, and which it made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import and_, bindparam, func, or_, select, update

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.account.tables import ACCOUNT, INVITE_CODE, INVITE_USE
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, insert_into, select_where

_C = INVITE_CODE.c
_U = INVITE_USE.c
_INSERT = insert_into(INVITE_CODE)
_INSERT_USE = insert_into(INVITE_USE)
_BY_CODE = select_where(INVITE_CODE, _C.code)
_COUNT_USES = Statement(select(func.count()).select_from(INVITE_USE).where(_U.code == bindparam("code")), "code")
_COUNT_FOR = Statement(
    select(func.count()).select_from(INVITE_CODE).where(_C.for_account == bindparam("for_account")), "for_account"
)
_CREATOR_BARRED = Statement(
    select(ACCOUNT.c.did).where(
        ACCOUNT.c.did == bindparam("did"), or_(ACCOUNT.c.takedown_ref.is_not(None), ACCOUNT.c.invites_disabled)
    ),
    "did",
)
_CHUNK: Final = 500


class InviteCodeUnavailable(TempestError):
    """A code that is unknown, disabled or used up, or whose account may not invite."""


class TooManyInviteCodes(TempestError):
    """Another request made codes for the account at the same time."""


@dataclass(frozen=True, slots=True)
class InviteUse:
    """An account made with a code; `used_at` in microseconds since 1970."""

    used_by: str
    used_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteCode:
    """One code. `for_account` is whose it is, `created_by` who made it: a DID or `admin`."""

    code: str
    available_uses: int
    for_account: str
    created_by: str
    created_at: int
    disabled: bool = False
    uses: tuple[InviteUse, ...] = ()

    @property
    def uses_left(self) -> int:
        """How many accounts can still be made with it."""
        return 0 if self.disabled else max(0, self.available_uses - len(self.uses))


class InviteCodes:
    """All invite codes. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Making and using

    def create(self, codes: Iterable[InviteCode], *, expected_total: int | None = None) -> None:
        """Add codes, all of one account when `expected_total` is given.

        Raises TooManyInviteCodes, and adds none, when the account then has more than `expected_total`: two requests
        worked out at once what it has earned.
        """
        codes = list(codes)
        with self._database.transaction() as transaction:
            transaction.run_many(
                _INSERT,
                [(c.code, c.available_uses, c.disabled, c.for_account, c.created_by, c.created_at) for c in codes],
            )
            if codes and expected_total is not None:
                row = transaction.one(_COUNT_FOR, (codes[0].for_account,))
                if row is not None and row[0] > expected_total:
                    raise TooManyInviteCodes("Another request made invite codes for this account")

    def check(self, code: str) -> None:
        """Pass if an account may be made with this code; raise InviteCodeUnavailable."""
        row = self._database.one(_BY_CODE, (code,))
        if row is not None and not row[2] and self._database.one(_CREATOR_BARRED, (row[3],)) is None:
            uses = self._database.one(_COUNT_USES, (code,))
            if uses is not None and uses[0] < row[1]:
                return
        raise InviteCodeUnavailable("Provided invite code not available")

    def use(self, code: str, did: str, now: int) -> None:
        """Count an account as made with this code; raise InviteCodeUnavailable.

        To be called in the transaction that adds the account, so that a code is never used more often than it allows.
        """
        with self._database.transaction() as transaction:
            self.check(code)
            transaction.run(_INSERT_USE, (code, did, now))

    # Looking up

    def get(self, code: str) -> InviteCode | None:
        """Find a code, with its uses."""
        found = self._with_uses([row for row in [self._database.one(_BY_CODE, (code,))] if row is not None])
        return found[0] if found else None

    def of_accounts(self, dids: Sequence[str]) -> dict[str, list[InviteCode]]:
        """Return the codes of each account, oldest first."""
        found: dict[str, list[InviteCode]] = {did: [] for did in dids}
        for chunk in _chunks(dids):
            clause = select(INVITE_CODE).where(_C.for_account.in_(chunk)).order_by(_C.created_at, _C.code)
            for code in self._with_uses(self._database.all_of_clause(clause)):
                found[code.for_account].append(code)
        return found

    def used_by(self, dids: Sequence[str]) -> dict[str, InviteCode]:
        """Return the code that each account was made with; those made without one are left out."""
        by_did: dict[str, str] = {}
        for chunk in _chunks(dids):
            clause = select(_U.used_by, _U.code).where(_U.used_by.in_(chunk))
            by_did.update((row[0], row[1]) for row in self._database.all_of_clause(clause))
        codes = {code.code: code for code in self._of_codes(sorted(set(by_did.values())))}
        return {did: codes[code] for did, code in by_did.items()}

    def page(
        self, sort: Literal["recent", "usage"], limit: int, after: tuple[int, str] | None = None
    ) -> list[tuple[InviteCode, tuple[int, str]]]:
        """Return up to `limit` codes, newest or most used first, each with the pair to go on after.

        The pair is (created_at, code) or (number of uses, code).
        """
        uses = select(func.count()).select_from(INVITE_USE).where(_U.code == _C.code).scalar_subquery()
        key: Any = _C.created_at if sort == "recent" else uses
        clause = select(INVITE_CODE)
        if after is not None:
            clause = clause.where(or_(key < after[0], and_(key == after[0], _C.code > after[1])))
        rows = self._database.all_of_clause(clause.order_by(key.desc(), _C.code).limit(limit))
        return [
            (code, (code.created_at if sort == "recent" else len(code.uses), code.code))
            for code in self._with_uses(rows)
        ]

    # Disabling

    def disable(self, codes: Sequence[str] = (), accounts: Sequence[str] = ()) -> int:
        """Disable the codes named, and every code of the accounts named; return how many that were."""
        changed = 0
        with self._database.transaction() as transaction:
            for column, values in ((_C.code, codes), (_C.for_account, accounts)):
                for chunk in _chunks(values):
                    changed += transaction.run_clause(
                        update(INVITE_CODE).where(column.in_(chunk), ~_C.disabled).values(disabled=True)
                    )
        return changed

    def _of_codes(self, codes: Sequence[str]) -> list[InviteCode]:
        found: list[InviteCode] = []
        for chunk in _chunks(codes):
            found += self._with_uses(self._database.all_of_clause(select(INVITE_CODE).where(_C.code.in_(chunk))))
        return found

    def _with_uses(self, rows: Sequence[Row]) -> list[InviteCode]:
        uses: defaultdict[str, list[InviteUse]] = defaultdict(list)
        for chunk in _chunks([row[0] for row in rows]):
            clause = select(INVITE_USE).where(_U.code.in_(chunk)).order_by(_U.used_at, _U.used_by)
            for code, used_by, used_at in self._database.all_of_clause(clause):
                uses[code].append(InviteUse(used_by, used_at))
        return [
            InviteCode(
                code=row[0],
                available_uses=row[1],
                disabled=bool(row[2]),
                for_account=row[3],
                created_by=row[4],
                created_at=row[5],
                uses=tuple(uses[row[0]]),
            )
            for row in rows
        ]


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    """Split what goes into an IN: SQLite bounds the number of parameters of a statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
