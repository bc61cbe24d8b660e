"""The clock: tokens, revisions and backups are dated by it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, note, ok, warning
from tempest_pds.remote.errors import RemoteError

_TOLERATED: Final = 30


async def check_clock(examination: Examination) -> Sequence[Finding]:
    """Compare this machine's clock with that of another, as the Date of an answer tells it."""
    deployment = examination.deployment
    url = deployment.plc_url if deployment.plc_url is not None else deployment.public_url
    before = time.time()
    try:
        answer = await examination.network.http.fetch("GET", f"{url}/")
    except RemoteError:
        return [note(f"could not be compared: {url} does not answer")]
    now = (before + time.time()) / 2
    try:
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        return [note(f"could not be compared: {url} does not tell the time")]
    # The header has whole seconds, cut off.
    apart = abs(now - there - 0.5)
    if apart > _TOLERATED:
        direction = "ahead of" if now > there else "behind"
        return [
            warning(
                f"this machine's clock is {apart:.0f} s {direction} {url}: tokens are refused, and commits look as if "
                "they came from another time",
                "turn on time synchronisation (timedatectl set-ntp true), on the host if this is a container",
            )
        ]
    return [ok(f"within {max(1, round(apart))} s of {url}")]
