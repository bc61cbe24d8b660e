"""`tempest sequencer`: the log of events."""

from __future__ import annotations

import click

from tempest_pds.cli.operation import json_option, operator, print_json


@click.group("sequencer")
def sequencer() -> None:
    """Look at the log of events, which the firehose is read from."""


@sequencer.command("status")
@json_option
def status(as_json: bool) -> None:
    """Show where the log stands: its numbers, its events, its age and its size.

    What is not applied to files yet is no backlog: the rest is in the log, and applied within a minute.
    """
    with operator() as server:
        found = server.call("/xrpc/_admin/sequencer")
    if as_json:
        print_json(found)
        return
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in found["kinds"].items())
    rows = (
        ("Last", f"{found['lastSeq']:,}"),
        ("First kept", "-" if found["firstSeq"] is None else f"{found['firstSeq']:,}"),
        ("Applied to files", f"{found['appliedSeq']:,}"),
        ("Events", f"{found['events']:,}" + (f" ({kinds})" if kinds else "")),
        ("Oldest", found["oldest"] or "-"),
        ("Size", f"{found['bytes']:,} bytes"),
    )
    for label, value in rows:
        click.echo(f"{label:<16}  {value}")
