"""`tempest config`: the settings in force."""

from __future__ import annotations

import os

import click

from tempest_pds.cli.settings_report import load_or_explain, plugin_settings
from tempest_pds.settings_loading import settings_in_force


@click.command("config")
def config() -> None:
    """Show the settings in force, secrets hidden.

    A setting that the environment gives is marked with `*`; the others have their defaults.
    """
    settings = load_or_explain(os.environ)
    rows = [(field.name, text) for field, text in settings_in_force(settings)]
    for declared in plugin_settings(os.environ):
        value = os.environ.get(declared.name, "").strip()
        if declared.secret:
            rows.append((declared.name, "(set)" if value else "(not set)"))
        else:
            rows.append((declared.name, value or declared.default or "(none)"))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        mark = "*" if os.environ.get(name, "").strip() else " "
        click.echo(f"{mark} {name:<{width}}  {text}".rstrip())
