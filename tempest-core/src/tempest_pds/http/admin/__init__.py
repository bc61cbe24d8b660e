"""The administrator's routes, one module for each family; `load_admin_routes` collects what they declare."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from tempest_pds.http.admin_routes import AdminRoute


def load_admin_routes() -> Mapping[str, AdminRoute]:
    """Import every module of this package, and give the routes declared there by path."""
    routes: dict[str, AdminRoute] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, AdminRoute):
                if routes.get(value.path, value) is not value:
                    raise TypeError(f"{value.path} is declared twice")
                routes[value.path] = value
    return routes
