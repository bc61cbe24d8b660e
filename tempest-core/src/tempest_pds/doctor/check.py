"""A check: one question about a deployment, with a name by which it can be asked alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.doctor.examination import AskedTooOften, Examination
from tempest_pds.doctor.finding import Finding, failure, skipped
from tempest_pds.plugin_loading import one_line
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError

Ask = Callable[[Examination], Awaitable[Sequence[Finding]]]

_AT_ONCE: Final = 8
_WAIT: Final = (
    "wait five minutes and look at fewer accounts (--accounts), or set TEMPEST_RATE_LIMIT_BYPASS_KEY and run it beside "
    "the server"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the table.

    Attributes:
        summary: what it looks at, as a half sentence for the overview.
        inside: whether it needs the machine of the server, with its settings and its data directory.
        public: whether it only makes sense for a server that others are to reach.
    """

    name: str
    summary: str
    ask: Ask
    inside: bool = False
    public: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found, in the order in which it is to be read."""

    check: str
    findings: Sequence[Finding]


async def run_checks(checks: Sequence[Check], examination: Examination) -> list[Result]:
    """Run checks side by side, each within its time, and give the results in the order of the checks."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def run(check: Check) -> Result:
        async with gate:
            return Result(check.name, await _findings(check, examination))

    return list(await asyncio.gather(*(run(check) for check in checks)))


async def _findings(check: Check, examination: Examination) -> Sequence[Finding]:
    deployment = examination.deployment
    if check.inside and deployment.settings is None:
        why = "the settings cannot be read" if deployment.settings_error else "needs the machine of the server"
        return [skipped(f"{why}: run it there, with the server's environment")]
    if check.public and deployment.is_local:
        return [skipped("a server called localhost has no outside")]
    seconds = examination.options.seconds
    try:
        async with asyncio.timeout(seconds):
            return await check.ask(examination)
    except TimeoutError:
        return [failure(f"not done within {seconds:g} s", "see the other lines for what is slow, or give --timeout")]
    except AskedTooOften as error:
        return [failure(f"could not be looked at: {error}", _WAIT)]
    except RemoteError as error:
        return [failure(f"could not be looked at: {explain(error)}", "mend what the check http says first")]
    except Exception as error:  # noqa: BLE001 - one check that fails must not take the others with it
        return [failure(f"the check itself failed: {one_line(error)}", "please report this as a fault of Tempest")]
