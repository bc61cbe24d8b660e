"""`tempest doctor`: whether a deployment works, seen from the operator's seat."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from tempest_pds.doctor.check import Check, Result, run_checks
from tempest_pds.doctor.deployment import BadTarget, Deployment, Options
from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.network import Network
from tempest_pds.doctor.report import failed, lines, to_json
from tempest_pds.doctor.table import CHECKS
from tempest_pds.logs import configure_logs
from tempest_pds.plugins import PluginManager
from tempest_pds.settings import LOCALHOST
from tempest_pds.settings_fields import SettingsError
from tempest_pds.settings_loading import load_settings


class _Address(click.ParamType[tuple[str, int]]):
    """`ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`."""

    name = "address"

    def __init__(self, default_port: int) -> None:
        self._default_port = default_port

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Read one."""
        if isinstance(value, tuple):
            return value
        host, port = (value, "") if value.count(":") > 1 and "]" not in value else _split(value)
        host = host.strip("[]")
        if not host or (port and not port.isdecimal()):
            self.fail(f"{value!r} is no address with a port, such as 127.0.0.1:8443", param, ctx)
        return host, int(port) if port else self._default_port


class _PortTarget(click.ParamType[tuple[int, tuple[str, int]]]):
    """`PORT=ADDRESS:PORT`."""

    name = "port=address"

    def convert(
        self, value: str | tuple[int, tuple[str, int]], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, tuple[str, int]]:
        """Read one."""
        if isinstance(value, tuple):
            return value
        port, equals, target = value.partition("=")
        if not equals or not port.isdecimal():
            self.fail(f"{value!r} is not of the form 443=127.0.0.1:8443", param, ctx)
        return int(port), _Address(int(port)).convert(target, param, ctx)


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, port = text.partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


@click.command("doctor", epilog="Checks: " + "; ".join(f"{check.name} ({check.summary})" for check in CHECKS) + ".")
@click.option("--url", metavar="URL", help="Look at this server from outside only, without its settings and data.")
@click.option("--did", "dids", multiple=True, metavar="DID", help="Look at this account. May be repeated.")
@click.option("--handle", "handles", multiple=True, metavar="HANDLE", help="Look at this account. May be repeated.")
@click.option("--accounts", type=click.IntRange(1), default=20, show_default=True, help="How many accounts to look at.")
@click.option("--all-accounts", is_flag=True, help="Look at every account.")
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice([check.name for check in CHECKS]),
    metavar="NAME",
    help="Run this check alone. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.option("--request-crawl", is_flag=True, help="Ask relays that do not know the server to crawl it.")
@click.option(
    "--min-free", type=click.IntRange(0, 100), default=10, show_default=True, help="Percent of the disk to be free."
)
@click.option(
    "--max-backup-age", type=click.IntRange(1), default=36, show_default=True, help="Hours that a backup may be old."
)
@click.option("--timeout", type=click.FloatRange(1), default=30, show_default=True, help="Seconds for each check.")
@click.option(
    "--nameserver",
    "nameservers",
    multiple=True,
    type=_Address(53),
    metavar="ADDRESS[:PORT]",
    help="Ask this name server in place of the machine's. May be repeated.",
)
@click.option(
    "--connect-to",
    multiple=True,
    type=_PortTarget(),
    metavar="PORT=ADDRESS:PORT",
    help="Reach this port of the server's own names there, whatever DNS says: to try a proxy before DNS is changed.",
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Authorities to trust beside those of the machine.",
)
def doctor(
    url: str | None,
    dids: tuple[str, ...],
    handles: tuple[str, ...],
    accounts: int,
    all_accounts: bool,
    names: tuple[str, ...],
    as_json: bool,
    request_crawl: bool,
    min_free: int,
    max_backup_age: int,
    timeout: float,
    nameservers: tuple[tuple[str, int], ...],
    connect_to: tuple[tuple[int, tuple[str, int]], ...],
    ca_file: Path | None,
) -> None:
    """Check a deployment, and say of each fault its cause and its cure.

    Beside a running server it takes the same environment as `tempest serve`, and does not disturb the server. With
    --url it looks from any other machine. Ends with 1 when something does not work; warnings alone leave 0.
    """
    # What adapters log must not stand in the report.
    configure_logs("error", "console")
    deployment = _deployment(url, os.environ)
    options = Options(
        dids=dids,
        handles=[handle.lower().removeprefix("@") for handle in handles],
        accounts=None if all_accounts else accounts,
        nameservers=nameservers,
        connect_to=dict(connect_to),
        ca_file=ca_file,
        min_free_percent=min_free,
        max_backup_hours=max_backup_age,
        request_crawl=request_crawl,
        seconds=timeout,
    )
    chosen = [check for check in CHECKS if not names or check.name in names]
    results = asyncio.run(_examine(deployment, options, chosen))
    click.echo(to_json(results) if as_json else "\n".join(lines(results)))
    if failed(results):
        sys.exit(1)


def _deployment(url: str | None, environ: Mapping[str, str]) -> Deployment:
    if url is not None:
        return Deployment.of_url(url, environ)
    try:
        return Deployment.of_settings(load_settings(environ), environ)
    except SettingsError as error:
        # Settings that are wrong are a finding; what can be seen from outside is looked at all the same.
        return _as_far_as_it_is_known(environ, str(error))


def _as_far_as_it_is_known(environ: Mapping[str, str], settings_error: str) -> Deployment:
    hostname = environ.get("TEMPEST_HOSTNAME", "").strip() or LOCALHOST
    public_url = environ.get("TEMPEST_PUBLIC_URL", "").strip() or f"https://{hostname}"
    if hostname != LOCALHOST:
        for url, readable in ((public_url, environ), (f"https://{hostname}", {})):
            with suppress(BadTarget, SettingsError):
                return Deployment.of_url(url, readable, settings_error)
    return Deployment.of_url(f"http://{LOCALHOST}:4000", {}, settings_error)


async def _examine(deployment: Deployment, options: Options, checks: Sequence[Check]) -> list[Result]:
    network = Network(
        nameservers=options.nameservers,
        own_names=[deployment.hostname, f".{deployment.hostname}", *deployment.handle_domains],
        connect_to=options.connect_to,
        ca_file=options.ca_file,
    )
    examination = Examination(deployment, options, network, PluginManager.load(deployment.environ))
    try:
        return await run_checks(checks, examination)
    finally:
        await examination.close()
        await network.close()
