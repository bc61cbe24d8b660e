"""`tempest blob`: the bytes of pictures and videos."""

from __future__ import annotations

import sys
from typing import Any

import click

from tempest_pds.cli.operation import confirm, json_option, operator, print_json, yes_option
from tempest_pds.cli.progress_line import ProgressLine
from tempest_pds.http.pages.formats import count


@click.group("blob")
def blob() -> None:
    """Check the blobs of all accounts, and clear away what nobody uses.

    A server that runs is asked; where none runs, the data directory is opened.
    """


@blob.command("gc")
@click.option(
    "--older-than",
    "hours",
    type=click.IntRange(0),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Leave alone what is younger.",
)
@json_option
def gc(hours: int, as_json: bool) -> None:
    """Remove uploads that no record refers to, and bytes that no account knows of any more.

    The server does the same every hour. Bytes under the name of an account that is not here are left alone: `tempest
    blob scrub` tells of them. Ends with 1 if an account had to be passed over.
    """
    with operator() as server, ProgressLine() as progress:
        told = server.stream("/xrpc/_admin/blobs/collect", {"unusedSeconds": hours * 3600}, on_progress=progress)
    if as_json:
        print_json(told)
    else:
        _problems(told)
        click.echo(f"{count(told['removed'], 'blob')} removed.")
    if told["passedOver"]:
        sys.exit(1)


@blob.command("scrub")
@click.option("--presence-only", is_flag=True, help="Look only whether the bytes are there, without reading them.")
@click.option("--delete-orphans", is_flag=True, help="Remove bytes that no account has known of for a day.")
@yes_option
@json_option
def scrub(presence_only: bool, delete_orphans: bool, yes: bool, as_json: bool) -> None:
    """Read every blob and hold it to its hash; find blobs without bytes, and bytes without a blob.

    Ends with 1 if a blob is lost or damaged, or an account had to be passed over. Bytes without a blob are no harm.
    Before --delete-orphans, be sure that no other server keeps its blobs in the same place.
    """
    if delete_orphans:
        confirm("Remove all bytes in the blob store that no account here knows of?", yes=yes)
    with operator() as server, ProgressLine() as progress:
        told = server.stream(
            "/xrpc/_admin/blobs/scrub",
            {"presenceOnly": presence_only, "deleteOrphans": delete_orphans},
            on_progress=progress,
        )
    if as_json:
        print_json(told)
    else:
        _problems(told)
        click.echo(
            f"{count(told['blobs'], 'blob')} checked, {told['bytesRead']:,} bytes read: "
            f"{told['withoutBytes']:,} without bytes, {told['damaged']:,} damaged; "
            f"{told['withoutRow']:,} bytes without a blob, {told['removed']:,} removed."
        )
    if not told["sound"]:
        sys.exit(1)


def _problems(told: dict[str, Any]) -> None:
    for problem in told["problems"]:
        click.echo(problem)
