"""Settings, loaded with the warnings that an operator should see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from tempest_pds.plugins import PluginManager
from tempest_pds.settings import Settings
from tempest_pds.settings_loading import load_settings, misspelt_names, names_not_read_yet
from tempest_pds_plugins.settings import Setting


def plugin_settings(environ: Mapping[str, str]) -> Sequence[Setting]:
    """List what the installed plugins read from the environment, each name once."""
    found = {setting.name: setting for _, setting in PluginManager.load(environ).settings()}
    return list(found.values())


def load_or_explain(environ: Mapping[str, str]) -> Settings:
    """Load the settings and warn of misspelt names; raises SettingsError."""
    plugin_names = [setting.name for setting in plugin_settings(environ)]
    for name, nearest in misspelt_names(environ, plugin_names):
        hint = f"did you mean {nearest}?" if nearest else "nothing reads it"
        click.echo(f"tempest: warning: unknown setting {name}: {hint}", err=True)
    for name in names_not_read_yet(environ, plugin_names):
        click.echo(f"tempest: warning: this version does not read {name}", err=True)
    return load_settings(environ)
