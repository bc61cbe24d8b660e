"""`tempest version`."""

from importlib.metadata import version as installed_version

import click


@click.command("version")
def version() -> None:
    """Show the version."""
    click.echo(f"tempest-pds {installed_version('tempest-pds')}")
