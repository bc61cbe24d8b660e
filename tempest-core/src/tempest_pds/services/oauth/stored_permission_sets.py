"""Permission sets as they are kept, in JSON: those of a request beside it, and each that was granted by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tempest_pds.protocol.oauth.permission_set import PermissionSet


def write_set(found: PermissionSet) -> str:
    """Write one set."""
    return json.dumps(found.document, ensure_ascii=False)


def read_set(nsid: str, text: str) -> PermissionSet:
    """Read what `write_set` wrote."""
    return PermissionSet.parse(nsid, json.loads(text))


def write_sets(found: Mapping[str, PermissionSet]) -> str | None:
    """Write the sets of a request, by NSID; None for none."""
    return json.dumps({nsid: each.document for nsid, each in found.items()}, ensure_ascii=False) if found else None


def read_sets(text: str | None) -> dict[str, PermissionSet]:
    """Read what `write_sets` wrote."""
    return {} if text is None else {nsid: PermissionSet.parse(nsid, each) for nsid, each in json.loads(text).items()}
