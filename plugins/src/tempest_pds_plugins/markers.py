"""The names that tie a plugin to Tempest: pluggy's two decorators and the entry-point group."""

import pluggy

ENTRY_POINT_GROUP = "tempest_pds.plugins"
"""A distribution that holds a plugin declares one entry point in this group: its name, and the registration module."""

PROJECT = "tempest_pds"

hookspec = pluggy.HookspecMarker(PROJECT)
"""Declares a hook; used by `tempest_pds_plugins.hookspecs` alone."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of the same name."""
