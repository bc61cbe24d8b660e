"""The part of the status report that tells of mail."""

from __future__ import annotations

from typing import Any

from tempest_pds.services.mail_outbox import MailStanding
from tempest_pds.services.timestamps import to_datetime


def mail_report(standing: MailStanding, mailer: str) -> dict[str, Any]:
    """Lay out how the mails are doing, and name what an operator must act on.

    Args:
        standing: of the outbox.
        mailer: how mail goes out, by name.
    """
    problems = []
    if standing.failing_since is not None:
        reason = "" if standing.last_error is None else f": {standing.last_error}"
        problems.append(f"The mail server takes no mails{reason}. Try it with `tempest mail test`.")
    if standing.given_up:
        lost = "1 mail was" if standing.given_up == 1 else f"{standing.given_up} mails were"
        problems.append(f"{lost} given up since the server started; the log says why.")
    return {
        "mailer": mailer,
        "waiting": standing.waiting,
        "oldestPostedAt": _time(standing.oldest_posted_at),
        "failingSinceAt": _time(standing.failing_since),
        "lastError": standing.last_error,
        "givenUp": standing.given_up,
        "problems": problems,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else to_datetime(int(seconds * 1_000_000))
