"""What a PLC directory is asked, of the ledger that stands in for it on localhost, for the libraries of app authors.

Paths, bodies and messages are those of `@did-plc/server`. Operations come from this server alone, so none is taken
here. https://web.plc.directory/api/redoc
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from blacksheep import Content, Request, Response

from tempest_pds.http.answers import JSON
from tempest_pds.http.errors import ErrorAnswer
from tempest_pds.http.responses import error_response
from tempest_pds.protocol.identity.plc_log import LogEntry
from tempest_pds.protocol.identity.plc_operation import state_after, to_did_document
from tempest_pds.protocol.syntax.did import Did

_DOCUMENT: Final = b"application/did+ld+json; charset=utf-8"
_PREFIX: Final = b"/did:plc:"


class Ledger(Protocol):
    """Where the operations are."""

    async def log(self, did: Did) -> list[LogEntry]:
        """Give all operations of a DID, oldest first, also those that were undone; none for a DID it does not know."""
        ...


class PlcLedgerPages:
    """Answer what is at /did:plc:… and below."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @staticmethod
    def answers(raw_path: bytes) -> bool:
        """Tell whether a path is one of these; libraries percent-encode the DID."""
        return unquote_to_bytes(raw_path[:32]).startswith(_PREFIX)

    async def handle(self, request: Request) -> Response:
        """Tell what a PLC directory tells of a DID, with /data and /log below, where a ledger stands in for one."""
        if request.scope["method"] not in {"GET", "HEAD"}:
            return error_response(
                ErrorAnswer(405, "InvalidRequest", "Method Not Allowed", ((b"allow", b"GET, HEAD, OPTIONS"),)), []
            )
        path = unquote_to_bytes(request.scope["raw_path"]).decode("utf-8", "replace").removeprefix("/")
        name, _, what = path.partition("/")
        # What is no DID has no operations either.
        log = await self._ledger.log(Did(name))
        if not log:
            return _not_found(f"DID not registered: {name}")
        counting = [entry.operation for entry in log if not entry.nullified]
        match what:
            case "log":
                return _json(counting)
            case "log/audit":
                return _json(_audited(Did(name), log))
            case "log/last":
                return _json(counting[-1])
            case "" | "data":
                state = state_after(Did(name), counting[-1])
                if state is None:
                    return _not_found(f"DID not available: {name}")
                if not what:
                    return Response(200, [], Content(_DOCUMENT, json.dumps(to_did_document(state)).encode()))
                return _json(
                    {
                        "did": state.did,
                        "verificationMethods": state.verification_methods,
                        "rotationKeys": state.rotation_keys,
                        "alsoKnownAs": state.also_known_as,
                        "services": {
                            key: {"type": kind, "endpoint": endpoint}
                            for key, (kind, endpoint) in state.services.items()
                        },
                    }
                )
        return _not_found("Not Found")


def _audited(did: Did, log: Sequence[LogEntry]) -> list[dict[str, Any]]:
    return [
        {
            "did": did,
            "operation": entry.operation,
            "cid": str(entry.cid),
            "nullified": entry.nullified,
            "createdAt": entry.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{entry.created_at.microsecond // 1000:03}Z",
        }
        for entry in log
    ]


def _json(value: object) -> Response:
    return Response(200, [], Content(JSON, json.dumps(value).encode()))


def _not_found(message: str) -> Response:
    return error_response(ErrorAnswer(404, "NotFound", message[:200]), [])
