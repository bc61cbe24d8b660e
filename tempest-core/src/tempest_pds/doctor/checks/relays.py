"""Relays: whether each one knows this server, reads it, and where it stands in the firehose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from tempest_pds.doctor.examination import Examination, error_name
from tempest_pds.doctor.finding import Finding, failure, note, ok, skipped, warning
from tempest_pds.doctor.firehose_frame import FrameError, read_frame
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import BadAnswer, RemoteError
from tempest_pds.remote.safe_fetch import Fetched

# What the public relays take of a host that nobody has vouched for.
_MOST_ACCOUNTS: Final = 100
_READ_SECONDS: Final = 2.0
# Fewer than this may be under way.
_FAR_BEHIND: Final = 100
_AGAIN: Final = "mend what websocket says, then run `tempest doctor --request-crawl`"


async def check_relays(examination: Examination) -> Sequence[Finding]:
    """Ask every relay of TEMPEST_CRAWLERS for the status of this host."""
    relays = examination.deployment.crawlers
    if not relays:
        return [note("TEMPEST_CRAWLERS names no relay: what is written here is seen nowhere else")]
    return [finding for found in await asyncio.gather(*(_ask(examination, url) for url in relays)) for finding in found]


async def _ask(examination: Examination, relay: str) -> list[Finding]:
    hostname = examination.deployment.hostname
    url = f"{relay}/xrpc/com.atproto.sync.getHostStatus?hostname={hostname}"
    try:
        answer = await examination.network.http.fetch("GET", url)
    except RemoteError as error:
        return [
            failure(
                f"{relay} cannot be reached: {explain(error)}",
                "allow outgoing HTTPS; take the relay out of TEMPEST_CRAWLERS if it is gone",
            )
        ]
    if error_name(answer) == "HostNotFound" or answer.status == 404:
        return [await _unknown(examination, relay)]
    if answer.status == 501 or error_name(answer) in {"MethodNotImplemented", "XRPCNotSupported"}:
        return [note(f"{relay} does not tell how it stands with a host (status {answer.status})")]
    try:
        found = answer.json()
    except BadAnswer:
        found = None
    if answer.status != 200 or not isinstance(found, dict):
        return [
            failure(
                f"{relay} answers {answer.status}, and no status of {hostname}",
                "look whether TEMPEST_CRAWLERS names a relay; if it does, wait",
            )
        ]
    findings = [_judge(relay, found)]
    if isinstance(found.get("accountCount"), int) and found["accountCount"] >= _MOST_ACCOUNTS * 9 // 10:
        findings.append(_account_limit(relay, found["accountCount"]))
    if isinstance(found.get("seq"), int) and found.get("status") in {"active", "idle"}:
        findings.append(await _progress(examination, relay, found["seq"]))
    return findings


def _judge(relay: str, found: dict[str, Any]) -> Finding:
    count = found.get("accountCount")
    known = f", with {count} account{'' if count == 1 else 's'}" if isinstance(count, int) else ""
    match found.get("status"):
        case "active" | None:
            return ok(f"{relay} reads this server{known}")
        case "idle":
            return ok(f"{relay} knows this server{known}, and has heard nothing new of it for a while (idle)")
        case "offline":
            return failure(f"{relay} cannot reach this server (offline): nothing written here goes out by it", _AGAIN)
        case "throttled":
            return warning(
                f"{relay} reads this server slowed down (throttled){known}: new accounts or events are left out",
                "see whether something here writes in masses; the relay's operator can raise the limits of this host",
            )
        case "banned":
            return failure(
                f"{relay} has banned this server: nothing written here goes out by it",
                "ask the relay's operator for the reason; other relays may still take this host (TEMPEST_CRAWLERS)",
            )
        case other:
            return note(f"{relay} says {str(other)[:40]!r} of this server, which this version does not know")


def _account_limit(relay: str, count: int) -> Finding:
    return warning(
        f"{relay} counts {count} accounts here; relays take {_MOST_ACCOUNTS} of a host that they do not know, and "
        "leave the others out",
        "ask the relay's operator to raise the limit of this host before there are more",
    )


async def _unknown(examination: Examination, relay: str) -> Finding:
    if not examination.options.request_crawl:
        return failure(
            f"{relay} does not know this server: nothing written here goes out by it",
            "ask it to crawl: `tempest doctor --request-crawl`; the server asks by itself with every new write, at "
            "most once in twenty minutes",
        )
    try:
        answer = await examination.network.http.fetch(
            "POST",
            f"{relay}/xrpc/com.atproto.sync.requestCrawl",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"hostname": examination.deployment.hostname}).encode(),
            seconds=15.0,
        )
    except RemoteError as error:
        return failure(f"{relay} did not know this server, and was not reached again: {explain(error)}", _AGAIN)
    if answer.status >= 400:
        return failure(
            f"{relay} does not know this server, and refuses to crawl it: {answer.status} {_words(answer)}",
            "mend what dns, tls and websocket say: the relay tries the host before it takes it",
        )
    return warning(
        f"{relay} did not know this server, and was asked to crawl it just now",
        "run the doctor again in some minutes",
    )


async def _progress(examination: Examination, relay: str, seq: int) -> Finding:
    """Go on reading where the relay is: what still comes is what it has not read."""
    url = f"ws{examination.deployment.public_url.removeprefix('http')}/xrpc/com.atproto.sync.subscribeRepos"
    try:
        connection = await examination.network.web_socket(f"{url}?cursor={seq}")
    except Exception as error:  # noqa: BLE001 - whatever it is, websocket says it better
        return skipped(f"where {relay} stands: {explain(error)}, see websocket")
    behind, newest = 0, seq
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_READ_SECONDS):
                async for data in connection:
                    frame = read_frame(data)
                    if frame.is_error:
                        return _ahead(relay, seq, frame.kind)
                    if frame.seq is not None:
                        behind, newest = behind + 1, frame.seq
    except FrameError as error:
        return skipped(f"where {relay} stands: {error}, see websocket")
    finally:
        connection.transport.abort()
    if behind >= _FAR_BEHIND:
        return warning(
            f"{relay} has read up to {seq}, and the firehose is at {newest} or further: it lags behind",
            "look for `slow` subscribers in the metrics and at the bandwidth of this machine; if it stays, " + _AGAIN,
        )
    return ok(f"{relay} has read up to {seq}, {behind} events behind")


def _ahead(relay: str, seq: int, name: str) -> Finding:
    if name == "FutureCursor":
        return failure(
            f"{relay} has read up to {seq}, and the firehose here is not that far: this is an older copy of the data, "
            "and the relay will ignore what is written until the number is passed",
            "if a newer data directory exists, stop this server and use that one; else restore with `tempest backup "
            "restore`, which goes on above what may have been announced",
        )
    return warning(f"the firehose answers {name} where {relay} stands ({seq})", "see websocket")


def _words(answer: Fetched) -> str:
    try:
        message = answer.json().get("message")
    except (BadAnswer, AttributeError):
        message = None
    return " ".join(str(message or error_name(answer) or "").split())[:200]
