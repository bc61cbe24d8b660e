"""The mails that wait for the mail server. A row goes as soon as its mail went: the text may hold a code."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from tempest_pds.stores.account.tables import MAIL_OUTBOX
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, delete_where, insert_into, paged, update_where
from tempest_pds_plugins.mailer import Mail

_T = MAIL_OUTBOX.c
_ADD = insert_into(MAIL_OUTBOX)
_SOONEST = Statement(paged(select(MAIL_OUTBOX).order_by(_T.next_attempt_at, _T.posted_at)), "count")
_POSTPONE = update_where(MAIL_OUTBOX, ("attempts", "next_attempt_at"), _T.id)
_MAKE_DUE = Statement(
    update(MAIL_OUTBOX).where(_T.next_attempt_at > bindparam("now")).values(next_attempt_at=bindparam("due")),
    "due",
    "now",
)
_DELETE = delete_where(MAIL_OUTBOX, _T.id)
_CLEAR = Statement(delete(MAIL_OUTBOX))
_STANDING = Statement(select(func.count(), func.min(_T.posted_at)).select_from(MAIL_OUTBOX))


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail in the outbox; times are in microseconds since 1970.

    Attributes:
        mail: with its id.
        attempts: how often it was tried to send it.
    """

    mail: Mail
    posted_at: int
    expires_at: int
    attempts: int
    next_attempt_at: int


class WaitingMails:
    """The outbox of mails. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, mail: Mail, now: int, expires_at: int) -> None:
        """Add a mail that has an id, to be sent now."""
        row = (mail.id, mail.to, mail.subject, mail.text, mail.html, now, expires_at, 0, now)
        with self._database.transaction() as transaction:
            transaction.run(_ADD, row)

    def soonest(self, limit: int) -> list[WaitingMail]:
        """Return up to `limit` mails, due or not, in the order in which they are due."""
        return [
            WaitingMail(Mail(row[1], row[2], row[3], row[4], row[0]), *row[5:])
            for row in self._database.all(_SOONEST, (limit,))
        ]

    def postpone(self, mail_id: str, attempts: int, next_attempt_at: int) -> None:
        """Note another attempt, and when the next one is due."""
        with self._database.transaction() as transaction:
            transaction.run(_POSTPONE, (attempts, next_attempt_at, mail_id))

    def make_due(self, now: int) -> int:
        """Make every mail due now; return how many were not."""
        with self._database.transaction() as transaction:
            return transaction.run(_MAKE_DUE, (now, now))

    def delete(self, mail_id: str) -> None:
        """Forget a mail that has gone out, or never will."""
        with self._database.transaction() as transaction:
            transaction.run(_DELETE, (mail_id,))

    def clear(self) -> int:
        """Delete every mail; return how many waited."""
        with self._database.transaction() as transaction:
            return transaction.run(_CLEAR)

    def standing(self) -> tuple[int, int | None]:
        """Return how many mails wait, and when the oldest of them was posted."""
        row = self._database.one(_STANDING)
        assert row is not None, "a count has a row"
        return row[0], row[1]
