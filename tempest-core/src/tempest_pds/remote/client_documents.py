"""What OAuth clients publish of themselves: the metadata document at their id, and the keys at its `jwks_uri`.

Both are URLs that anybody may choose, so they are fetched by `SafeFetch`, without redirects: whoever can serve the
document *is* the client, and a redirect would hand that on.

A document is asked for anew after ten minutes, and that is how long a key that its owner has withdrawn is still good.
While its server is out, the last one serves for another hour, so that people stay signed in to the app. A server that
answers is believed instead: what it says does not exist, or breaks the rules, ends the former document at once.
Failures are not remembered, as the specification forbids it: who mends a document can go on at once. What strangers can
make this server ask is bounded by asking once at a time for one URL, and by the slots of `SafeFetch`.

https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document,
https://atproto.com/specs/oauth#clients
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata, read_client_metadata
from tempest_pds.protocol.oauth.errors import InvalidJwk, OAuthError
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.remote.cache import Cache
from tempest_pds.remote.errors import BadAnswer, NotFound, OutOfOrder
from tempest_pds.remote.safe_fetch import SafeFetch

FRESH_SECONDS: Final = 10 * 60.0
OUTAGE_SECONDS: Final = 60 * 60.0
"""For how much longer the last document serves while its server is out."""
MAX_BYTES: Final = 256 * 1024
FETCH_SECONDS: Final = 10.0
"""A server that sleeps when nobody asks takes a few seconds to wake up, and clients wait ten."""
_RETRY_SECONDS: Final = 30.0
# Anybody can publish documents as large as is read, so that it is their size that counts: 4 MB of each kind.
_UNIT_BYTES: Final = 2048
_CAPACITY: Final = 2048

_JSON: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.-]+\+)?json", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Published(Generic[T]):
    """What a client has published at a URL.

    Attributes:
        body: the document itself, JSON.
        heard_at: when it was asked for, in seconds since 1970.
    """

    value: T
    body: bytes
    heard_at: float

    @property
    def weight(self) -> int:
        """What it takes of the cache."""
        return 1 + len(self.body) // _UNIT_BYTES


class ClientDocuments:
    """Fetch what clients publish, remembering it.

    Args:
        clock: seconds that only rise.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._wall_clock = wall_clock
        self._metadata = _cache(self._fetch_metadata, clock)
        self._keys = _cache(self._fetch_keys, clock)

    async def metadata(
        self, client_id: DiscoverableClientId, *, max_age: float | None = None
    ) -> Published[ClientMetadata]:
        """Give the document of a client, at most `max_age` seconds old where that is given.

        Raises:
            RemoteError: it cannot be had, or is not JSON.
            InvalidClientMetadata: it breaks a rule.
            InvalidRedirectUri: so does one of its redirect URIs.
        """
        try:
            return await self._metadata.get(client_id, max_age=max_age)
        except _Unfit as unfit:
            raise type(unfit.error)(*unfit.error.args) from unfit

    async def keys(self, uri: str, *, max_age: float | None = None) -> Published[JwkSet]:
        """Give the key set at a URL; raise RemoteError."""
        return await self._keys.get(uri, max_age=max_age)

    def remembers_metadata(self, client_id: DiscoverableClientId) -> bool:
        """Tell whether anything is known of a client, however old."""
        return self._metadata.holds(client_id)

    def remembers_keys(self, uri: str) -> bool:
        """Tell whether anything is known of the keys at a URL, however old."""
        return self._keys.holds(uri)

    def recall_metadata(self, client_id: DiscoverableClientId, body: bytes, heard_at: float) -> None:
        """Remember what a client had published, as if it had been asked for by this process."""
        published = Published(read_client_metadata(client_id, json.loads(body)), body, heard_at)
        self._metadata.restore(client_id, published, age=self._age(heard_at))

    def recall_keys(self, uri: str, body: bytes, heard_at: float) -> None:
        """Remember the keys that a URL had, likewise."""
        published = Published(JwkSet.parse(json.loads(body)), body, heard_at)
        self._keys.restore(uri, published, age=self._age(heard_at))

    async def close(self) -> None:
        """Stop what is under way."""
        await self._metadata.close()
        await self._keys.close()

    def _age(self, heard_at: float) -> float:
        return max(0.0, self._wall_clock() - heard_at)

    async def _fetch_metadata(self, client_id: DiscoverableClientId) -> Published[ClientMetadata]:
        heard_at = self._wall_clock()
        document, body = await self._fetch_json(client_id, type_needed=True)
        try:
            return Published(read_client_metadata(client_id, document), body, heard_at)
        except OAuthError as error:
            raise _Unfit(error) from error

    async def _fetch_keys(self, uri: str) -> Published[JwkSet]:
        heard_at = self._wall_clock()
        document, body = await self._fetch_json(uri, type_needed=False)
        try:
            return Published(JwkSet.parse(document), body, heard_at)
        except InvalidJwk as error:
            raise NotFound(str(error)) from error

    async def _fetch_json(self, url: str, *, type_needed: bool) -> tuple[Any, bytes]:
        answer = await self._fetch.fetch(
            "GET", url, headers={"Accept": "application/json"}, max_bytes=MAX_BYTES, seconds=FETCH_SECONDS
        )
        if answer.status in (404, 410):
            raise NotFound(f"The server answered with status {answer.status}")
        if answer.status == 429 or answer.status >= 500:
            raise OutOfOrder(f"The server answered with status {answer.status}")
        if answer.status != 200:
            redirect = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
            raise BadAnswer(f"The server answered with status {answer.status}{redirect}")
        content_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        if not _JSON.fullmatch(content_type) and (content_type or type_needed):
            raise BadAnswer("The content type of the answer is not application/json")
        return answer.json(), answer.body


class _Unfit(NotFound):
    """A document that breaks a rule: for certain there is no client of that id."""

    def __init__(self, error: OAuthError) -> None:
        super().__init__(error)
        self.error = error


def _cache(ask: Callable[[Any], Awaitable[Published[T]]], clock: Callable[[], float]) -> Cache[str, Published[T]]:
    return Cache(
        ask,
        stale=FRESH_SECONDS,
        hard=FRESH_SECONDS,
        outage=OUTAGE_SECONDS,
        negative=0.0,
        retry=_RETRY_SECONDS,
        capacity=_CAPACITY,
        weigh=lambda published: published.weight,
        clock=clock,
    )
