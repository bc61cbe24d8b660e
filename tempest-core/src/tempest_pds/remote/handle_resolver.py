"""From a handle to the DID it claims: https://atproto.com/specs/handle#handle-resolution.

Two methods, asked at the same time; DNS wins when both answer. TXT records that name several DIDs make a handle
ambiguous, whatever its host says. Neither method is a proof: the DID's own document must name the handle back before
anybody believes it.
"""

import asyncio
import time
from collections.abc import Callable

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.cache import Cache
from tempest_pds.remote.causes import has_no_address
from tempest_pds.remote.errors import (
    AnswerTooLarge,
    BadAnswer,
    HandleNotFound,
    HandleUnreachable,
    RemoteError,
    Unreachable,
)
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.remote.txt_dids import TxtLookup, dids_in

STALE_SECONDS = 10 * 60.0
HARD_SECONDS = 60 * 60.0
_WELL_KNOWN_SECONDS = 5.0
_WELL_KNOWN_BYTES = 2048
# From the bare domain to `www`, say; the reference server follows them too.
_WELL_KNOWN_REDIRECTS = 3


class _Ambiguous(HandleNotFound):
    """TXT records that name several DIDs."""


class HandleResolver:
    """Resolve handles of other servers.

    Args:
        look_up_txt: gives the TXT strings of a name, an empty list when there are none; raises `Unreachable` when
            the name servers do not answer.
        scheme: of the well-known address; tests say http.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        *,
        look_up_txt: TxtLookup,
        scheme: str = "https",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._look_up_txt = look_up_txt
        self._scheme = scheme
        self._cache: Cache[Handle, Did] = Cache(self._resolve, stale=STALE_SECONDS, hard=HARD_SECONDS, clock=clock)

    async def resolve(self, handle: Handle, *, refresh: bool = False) -> Did:
        """Find the DID that a handle claims; `refresh` asks in any case, and remembers what it hears.

        Raises:
            HandleNotFound: neither method knows it, or its DNS records contradict each other.
            HandleUnreachable: one method does not know it, and the other could not be asked; or neither could.
        """
        return await self._cache.get(handle, max_age=0 if refresh else None)

    def knows(self, handle: Handle) -> bool:
        """Tell whether `resolve` would answer without asking anybody."""
        return self._cache.knows(handle)

    def forget(self, handle: Handle) -> None:
        """Drop what is remembered of a handle."""
        self._cache.forget(handle)

    async def close(self) -> None:
        """Stop what is under way."""
        await self._cache.close()

    async def _resolve(self, handle: Handle) -> Did:
        if handle.is_disallowed_tld or handle.endswith(".test"):
            raise HandleNotFound(f"No public name ends like {handle}")
        by_dns = asyncio.ensure_future(self._by_dns(handle))
        by_http = asyncio.ensure_future(self._by_http(handle))
        failure: RemoteError | None = None
        try:
            for method in (by_dns, by_http):
                try:
                    return await method
                except _Ambiguous:
                    raise
                except HandleNotFound:
                    continue
                except RemoteError as error:
                    failure = error
        finally:
            for method in (by_dns, by_http):
                method.cancel()
            await asyncio.gather(by_dns, by_http, return_exceptions=True)
        if failure is not None:
            raise HandleUnreachable(f"Unable to resolve handle: {handle}") from failure
        raise HandleNotFound(f"Unable to resolve handle: {handle}")

    async def _by_dns(self, handle: Handle) -> Did:
        texts = await self._look_up_txt(f"_atproto.{handle}.")
        dids = dids_in(texts)
        if len(dids) > 1:
            raise _Ambiguous(f"The TXT records of {handle} name {len(dids)} DIDs")
        if not dids:
            raise HandleNotFound(f"No DID in the DNS of {handle}")
        return dids.pop()

    async def _by_http(self, handle: Handle) -> Did:
        try:
            answer = await self._fetch.fetch(
                "GET",
                f"{self._scheme}://{handle}/.well-known/atproto-did",
                max_bytes=_WELL_KNOWN_BYTES,
                seconds=_WELL_KNOWN_SECONDS,
                redirects=_WELL_KNOWN_REDIRECTS,
            )
        except AnswerTooLarge as error:
            raise HandleNotFound(f"{handle} names something that is not a DID") from error
        except Unreachable as error:
            if has_no_address(error):
                raise HandleNotFound(f"{handle} has no address") from error
            raise
        if answer.status >= 500 or answer.status == 429:
            raise BadAnswer(f"{handle} answered with status {answer.status}")
        if not 200 <= answer.status < 300:
            raise HandleNotFound(f"{handle} answered with status {answer.status}")
        lines = answer.body.decode("utf-8", "replace").strip().splitlines()
        try:
            return Did.parse(lines[0].strip() if lines else "")
        except InvalidSyntax as error:
            raise HandleNotFound(f"{handle} names something that is not a DID") from error
