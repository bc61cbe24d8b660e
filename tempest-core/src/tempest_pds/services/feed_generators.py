"""Who makes a feed: the audience of the token that a feed is asked for with.

The AppView asks the feed generator in the caller's name, and hands the token on.

https://docs.bsky.app/docs/starter-templates/custom-feeds
"""

from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.cache import Cache
from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.errors import InvalidRequest, UnknownFeed, UpstreamFailure
from tempest_pds.services.method_rules import GET_FEED
from tempest_pds.services.proxy_targets import Service


class FeedGenerators:
    """Ask the AppView for the generators of feeds, and remember them."""

    def __init__(self, fetch: SafeFetch, app_view: Service | None) -> None:
        self._fetch = fetch
        self._app_view = app_view
        self._known: Cache[AtUri, str] = Cache(self._find, stale=600, hard=3600, capacity=512)

    async def audience(self, path: str) -> str:
        """Give the DID of the generator of the feed that a request for one names in its query.

        Raises:
            InvalidRequest: no feed is named, or no AppView is configured.
            UnknownFeed: the AppView knows of no such feed.
            UpstreamFailure: the AppView was not reached, or failed.
        """
        feeds = parse_qs(urlsplit(path).query).get("feed", [""])
        try:
            return await self._known.get(AtUri.parse(feeds[0]))
        except InvalidSyntax as error:
            raise InvalidRequest("Params must have a valid feed") from error
        except RemoteError as error:
            raise UpstreamFailure("Upstream service unreachable") from error

    async def close(self) -> None:
        """Stop what is under way."""
        await self._known.close()

    async def _find(self, feed: AtUri) -> str:
        """Give the DID that a feed's record names, with its fragment if it has one."""
        if self._app_view is None:
            raise InvalidRequest(f"No service configured for {GET_FEED}")
        query = urlencode(
            {"repo": feed.authority, "collection": feed.collection or "", "rkey": feed.rkey or ""}, quote_via=quote
        )
        url = f"{self._app_view.url.rstrip('/')}/xrpc/com.atproto.repo.getRecord?{query}"
        answer = await self._fetch.fetch("GET", url)
        if answer.status >= 500:
            raise UpstreamFailure("Upstream service failed")
        try:
            named: str = answer.json()["value"]["did"]
            Did.parse(named.partition("#")[0])
        except (KeyError, TypeError, AttributeError, InvalidSyntax, RemoteError) as error:
            raise UnknownFeed("could not resolve feed did") from error
        return named
