"""The methods of the protocol, one module for each family; `load_methods` collects what they declare."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from tempest_pds.http.xrpc import Method


def load_methods() -> Mapping[str, Method]:
    """Import every module of this package, and give the methods declared there by NSID."""
    methods: dict[str, Method] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Method):
                if methods.get(value.nsid, value) is not value:
                    raise TypeError(f"{value.nsid} is declared twice")
                methods[value.nsid] = value
    return methods
