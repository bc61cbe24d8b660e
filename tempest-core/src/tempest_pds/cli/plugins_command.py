"""`tempest plugins`: what is installed, what is selected, what failed and why."""

import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tempest_pds.adapter_selection import Selection
from tempest_pds.plugins import PluginManager, PluginReport
from tempest_pds_plugins.adapters import PluginContext

_HEADINGS = ("PLUGIN", "VERSION", "DISTRIBUTION", "KIND", "NAME", "SELECTED", "PROBLEM")


@click.command("plugins")
def plugins() -> None:
    """List plugins: installed, selected, failed and why.

    Reads the environment as the server does, and makes the selected adapters without opening them. Ends with 1 if any
    is in trouble: the server would not start.
    """
    reports = PluginManager.load(os.environ).report(
        Selection.from_environment(os.environ), os.environ, context_of(os.environ)
    )
    for line in table(reports):
        click.echo(line)
    if any(report.problem for report in reports):
        sys.exit(1)


def context_of(environment: Mapping[str, str]) -> PluginContext:
    """Return the context as far as the environment tells it, so that the listing works where the settings do not."""
    hostname = environment.get("TEMPEST_HOSTNAME", "").strip() or "localhost"
    is_local = hostname == "localhost"
    default_url = f"http://localhost:{environment.get('PORT') or 4000}" if is_local else f"https://{hostname}"
    return PluginContext(
        data_dir=Path(environment.get("TEMPEST_DATA_DIR", "").strip() or "tempest-data").absolute(),
        hostname=hostname,
        public_url=environment.get("TEMPEST_PUBLIC_URL", "").strip().rstrip("/") or default_url,
        version=importlib.metadata.version("tempest-pds"),
        is_local=is_local,
    )


def table(reports: Sequence[PluginReport]) -> list[str]:
    """Return the reports as lines of aligned columns, the last as long as it needs to be."""
    rows = [
        _HEADINGS,
        *(
            (
                report.plugin or "-",
                report.version or "-",
                report.distribution or "-",
                report.kind or "-",
                report.name or "-",
                "yes" if report.selected else "no",
                report.problem or "-",
            )
            for report in reports
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
