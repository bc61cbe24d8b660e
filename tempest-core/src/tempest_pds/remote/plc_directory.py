"""The PLC directory over HTTP: https://web.plc.directory/api/redoc."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.identity.plc_log import LogEntry
from tempest_pds.protocol.identity.plc_operation import InvalidOperation, check_operation, normalize
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import (
    BadAnswer,
    DidDeactivated,
    DidNotFound,
    OperationRefused,
    RemoteError,
    TimedOut,
    Unreachable,
)
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch

# It was not read, or is to come again later: no verdict on the operation.
_NO_VERDICT: Final = frozenset({408, 425, 429})
_MAX_MESSAGE: Final = 500


class Plc(Protocol):
    """A directory of did:plc: the real one, or the ledger that stands in for it on localhost."""

    async def submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        """Publish a signed operation. One that is in force already may be published again.

        Raises:
            OperationRefused: the directory does not take it.
            RemoteError: it is not known whether the directory took it.
        """
        ...

    async def last_operation(self, did: Did) -> dict[str, Any]:
        """Give the operation that is in force, as it was signed, in any of its forms.

        Raises:
            DidNotFound: the directory does not know the DID.
        """
        ...

    async def document(self, did: Did) -> dict[str, Any]:
        """Give the DID's document.

        Raises:
            DidNotFound: the directory does not know the DID, or it was deactivated for good.
        """
        ...


class PlcDirectory:
    """A client for a PLC directory.

    Args:
        url: of the directory, such as `https://plc.directory`.
        seconds: within which a whole answer must come.
    """

    def __init__(self, fetch: SafeFetch, url: str, *, seconds: float = 10.0) -> None:
        self._fetch = fetch
        self._url = url.rstrip("/")
        self._seconds = seconds

    async def submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        """Publish a signed operation; see `Plc`."""
        try:
            await self._submit(did, operation)
        except RemoteError:
            # The answer may have been lost on its way, and an operation that was taken before is refused.
            if not await self._is_in_force(did, operation):
                raise

    async def _submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        answer = await self._ask(
            "POST",
            self._address(did),
            headers={"Content-Type": "application/json"},
            body=json.dumps(operation).encode(),
            seconds=self._seconds,
        )
        status = answer.status
        if 400 <= status < 500 and status not in _NO_VERDICT:
            raise OperationRefused(_message(answer.body) or f"The PLC directory answered with status {status}")
        if not 200 <= status < 300:
            raise BadAnswer(f"The PLC directory answered with status {status}")

    async def _is_in_force(self, did: Did, operation: Mapping[str, Any]) -> bool:
        try:
            return await self._last_operation(did, self._seconds / 2) == operation
        except RemoteError:
            return False

    async def last_operation(self, did: Did) -> dict[str, Any]:
        """Give the operation that is in force; see `Plc`."""
        return await self._last_operation(did, self._seconds)

    async def _last_operation(self, did: Did, seconds: float) -> dict[str, Any]:
        found = await self._get(did, f"{self._address(did)}/log/last", seconds)
        try:
            normalize(found)
        except InvalidOperation as error:
            raise BadAnswer("The PLC directory answered with something else than an operation") from error
        return found

    async def document(self, did: Did) -> dict[str, Any]:
        """Give the DID's document; see `Plc`."""
        return await self._get(did, self._address(did), self._seconds)

    def _address(self, did: Did) -> str:
        # A DID may have `%2F` in it, which what stands in front of the directory could take for a path.
        return f"{self._url}/{quote(did, safe=':')}"

    async def log(self, did: Did) -> list[LogEntry]:
        """Give all operations that the directory ever took, also those that were undone; errors as `last_operation`."""
        found = await self._get_any(did, f"{self._address(did)}/log/audit", self._seconds)
        if not isinstance(found, list):
            raise BadAnswer("The PLC directory answered with something else than a list")
        try:
            return [
                LogEntry(
                    check_operation(entry["operation"]),
                    CID.parse(entry["cid"]),
                    datetime.fromisoformat(entry["createdAt"]),
                    bool(entry["nullified"]),
                )
                for entry in found
            ]
        except (ProtocolError, ValueError, KeyError, TypeError) as error:
            raise BadAnswer("The PLC directory answered with something else than a log") from error

    async def _get(self, did: Did, url: str, seconds: float) -> dict[str, Any]:
        found = await self._get_any(did, url, seconds)
        if not isinstance(found, dict):
            raise BadAnswer("The PLC directory answered with something else than an object")
        return found

    async def _get_any(self, did: Did, url: str, seconds: float) -> Any:
        answer = await self._ask("GET", url, seconds=seconds)
        if answer.status in (404, 410):
            # A DID that was ended is 410 by the directory's documentation; `@did-plc/server` says so in words alone.
            if answer.status == 410 or (_message(answer.body) or "").startswith("DID not available"):
                raise DidDeactivated(f"{did} was deactivated for good")
            raise DidNotFound(f"The PLC directory does not have {did}")
        if answer.status != 200:
            raise BadAnswer(f"The PLC directory answered with status {answer.status}")
        return answer.json()

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float,
    ) -> Fetched:
        """Ask, and say which server it was that could not be reached: an operator can do something about this one."""
        try:
            return await self._fetch.fetch(method, url, headers=headers, body=body, seconds=seconds)
        except (Unreachable, TimedOut) as error:
            raise type(error)(
                f"the PLC directory {self._url} could not be reached ({explain(error)}): look at TEMPEST_PLC_URL and "
                "outgoing HTTPS"
            ) from error


def _message(body: bytes) -> str | None:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return message[:_MAX_MESSAGE] if isinstance(message, str) else None
