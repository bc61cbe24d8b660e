"""What browsers send when a form of ours is submitted, and whether it really was one of ours."""

from __future__ import annotations

from tempest_pds.http.errors import XrpcError
from tempest_pds.http.exchange import Exchange
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.request_body import read_all

# An app may ask for so many things that this is what it takes to tick them.
_MAX_FORM = 65_536
_FORM = b"application/x-www-form-urlencoded"


async def read_form(exchange: Exchange) -> dict[str, str]:
    """Parse a submitted form; of a repeated field the last counts. Raises XrpcError."""
    content_type = exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type != _FORM:
        raise XrpcError(415, "UnsupportedMediaType", "A form is expected here")
    return dict(parse_query_string(await read_all(exchange, _MAX_FORM)))


def is_same_origin(headers: dict[bytes, bytes], public_url: str) -> bool:
    """Tell whether a request comes from a page of this server, as the browser tells it.

    What no browser sent has neither header, and passes: it carries no cookie that somebody else could use. An origin
    counts as ours by the public URL, or by the host that the request itself names, as on 127.0.0.1.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None and site != b"same-origin":
        return False
    origin = headers.get(b"origin")
    if origin is None or origin == public_url.encode():
        return True
    scheme = public_url.partition("://")[0].encode()
    return origin == scheme + b"://" + headers.get(b"host", b"")
