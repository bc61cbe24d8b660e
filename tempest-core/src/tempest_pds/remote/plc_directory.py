"""The PLC directory over HTTP: https://web.plc.directory/api/redoc."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import BadAnswer, DidDeactivated, DidNotFound, OperationRefused, TimedOut, Unreachable
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch

_SECONDS = 10.0


class Plc(Protocol):
    """A directory of did:plc: the real one, or the ledger that stands in for it on localhost."""

    async def submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        """Publish a signed operation.

        Raises:
            OperationRefused: the directory does not take it.
            RemoteError: it is not known whether the directory took it.
        """
        ...

    async def last_operation(self, did: Did) -> dict[str, Any]:
        """Give the operation that is in force, as it was signed.

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
    """

    def __init__(self, fetch: SafeFetch, url: str) -> None:
        self._fetch = fetch
        self._url = url.rstrip("/")

    async def submit(self, did: Did, operation: Mapping[str, Any]) -> None:
        """Publish a signed operation; see `Plc`."""
        answer = await self._ask(
            "POST",
            f"{self._url}/{did}",
            headers={"Content-Type": "application/json"},
            body=json.dumps(operation).encode(),
        )
        if answer.status >= 500:
            raise BadAnswer(f"The PLC directory answered with status {answer.status}")
        if answer.status >= 300:
            raise OperationRefused(_message(answer.body) or f"The PLC directory answered with status {answer.status}")

    async def last_operation(self, did: Did) -> dict[str, Any]:
        """Give the operation that is in force; see `Plc`."""
        return await self._get(did, f"{self._url}/{did}/log/last")

    async def document(self, did: Did) -> dict[str, Any]:
        """Give the DID's document; see `Plc`."""
        return await self._get(did, f"{self._url}/{did}")

    async def _get(self, did: Did, url: str) -> dict[str, Any]:
        answer = await self._ask("GET", url)
        if answer.status in (404, 410):
            # A DID that was ended is 410 by the directory's documentation; `@did-plc/server` says so in words alone.
            if answer.status == 410 or (_message(answer.body) or "").startswith("DID not available"):
                raise DidDeactivated(f"{did} was deactivated for good")
            raise DidNotFound(f"The PLC directory does not have {did}")
        if answer.status != 200:
            raise BadAnswer(f"The PLC directory answered with status {answer.status}")
        found = answer.json()
        if not isinstance(found, dict):
            raise BadAnswer("The PLC directory answered with something else than an object")
        return found

    async def _ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Fetched:
        """Ask, and say which server it was that could not be reached: an operator can do something about this one."""
        try:
            return await self._fetch.fetch(method, url, headers=headers, body=body, seconds=_SECONDS)
        except (Unreachable, TimedOut) as error:
            raise type(error)(
                f"the PLC directory {self._url} could not be reached ({explain(error)}): look at TEMPEST_PLC_URL and "
                "outgoing HTTPS"
            ) from error


def _message(body: bytes) -> str | None:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return None
    return message if isinstance(message, str) else None
