"""What an operator must act on, told from the status report: one line each, with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LOW_SHARE: Final = 0.1
_LOW_BYTES: Final = 1024**3
# A relay that was asked connects within minutes, if it ever does.
_RELAYS_CONNECT_WITHIN: Final = 900
_NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What of the settings decides whether something is a problem."""

    is_local: bool
    has_plc_directory: bool
    mailer: str
    rate_limits_enabled: bool
    ssrf_protection: bool


def problems_of(report: Mapping[str, Any], circumstances: Circumstances) -> list[str]:
    """Name the problems, the most pressing first.

    Args:
        report: all of `ServerStatus.report` but its problems.
        circumstances: of this server.
    """
    problems = [*_storage(report), *_repositories(report)]
    for part in ("backups", "mail"):
        if report[part] is not None:
            problems.extend(str(line) for line in report[part].get("problems", ()))
    problems.extend(_relays(report, circumstances))
    problems.extend(_settings(report, circumstances))
    return problems


def _storage(report: Mapping[str, Any]) -> Iterator[str]:
    storage = report["storage"]
    if storage is None:
        return
    free, total = storage["diskFreeBytes"], storage["diskTotalBytes"]
    if free < _LOW_BYTES or free < total * _LOW_SHARE:
        yield (
            f"The disk of the data directory is nearly full: {_size(free)} of {_size(total)} are free. "
            "Make room, or move it to a larger disk: without space nothing can be written."
        )


def _repositories(report: Mapping[str, Any]) -> Iterator[str]:
    dids = report["repositories"]["notWritable"]
    if not dids:
        return
    named = ", ".join(dids[:_NAMED_AT_MOST])
    if len(dids) > _NAMED_AT_MOST:
        named += f" and {len(dids) - _NAMED_AT_MOST} more"
    yield (
        f"Repositories whose file does not fit the log cannot be written to: {named}. "
        "See `tempest repo verify` and `tempest repo rebuild`."
    )


def _relays(report: Mapping[str, Any], circumstances: Circumstances) -> Iterator[str]:
    for relay in report["relays"]:
        reason = f": {relay['reason']}" if relay["reason"] else ""
        if relay["state"] == "refused":
            yield f"The relay {relay['url']} refuses to crawl this server{reason}."
        elif relay["state"] == "unreachable":
            yield f"Asking the relay {relay['url']} failed{reason}."
    if (
        report["relays"]
        and not circumstances.is_local
        and not report["firehose"]["subscribers"]
        and report["accounts"]["active"]
        and report["uptimeSeconds"] > _RELAYS_CONNECT_WITHIN
    ):
        yield (
            "Nobody reads the firehose: check that a WebSocket to "
            f"{report['publicUrl']}/xrpc/com.atproto.sync.subscribeRepos can be opened from outside."
        )


def _settings(report: Mapping[str, Any], circumstances: Circumstances) -> Iterator[str]:
    if not circumstances.has_plc_directory:
        yield (
            "A ledger in the data directory stands in for the PLC directory, so nobody else can look up the accounts "
            "made here: right for a trial, otherwise set TEMPEST_PLC_URL."
        )
    if circumstances.is_local:
        return
    if report["backups"] is None:
        yield "No backups are configured: what is on this disk is nowhere else."
    if circumstances.mailer == "log":
        yield "No mail goes out, each is only written to the log: set TEMPEST_SMTP_ENABLED."
    if not circumstances.rate_limits_enabled:
        yield "Requests are not limited: set TEMPEST_RATE_LIMITS_ENABLED=true."
    if not circumstances.ssrf_protection:
        yield ("Strangers can make this server call addresses of the local network: set TEMPEST_SSRF_PROTECTION=true.")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
