"""WebSocket: relays read the firehose over one, and a proxy that does not upgrade it cuts the server off from all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tempest_pds.doctor.examination import Examination, error_name
from tempest_pds.doctor.finding import Finding, failure, ok, warning
from tempest_pds.doctor.firehose_frame import FrameError, read_frame
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_NSID: Final = "com.atproto.sync.subscribeRepos"
_FRAME_SECONDS: Final = 3.0
_UPGRADE_REQUIRED: Final = 426
_CURE: Final = (
    "let the proxy upgrade WebSockets; nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade"; Apache: ProxyPass … upgrade=websocket; Caddy does it by itself'
)


async def check_websocket(examination: Examination) -> Sequence[Finding]:
    """Subscribe as a relay does, and ask for the same without an upgrade."""
    return [await _subscribe(examination), await _plain(examination)]


async def _subscribe(examination: Examination) -> Finding:
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    url = f"ws{examination.deployment.public_url.removeprefix('http')}/xrpc/{_NSID}?cursor=0"
    try:
        connection = await examination.network.web_socket(url)
    except InvalidStatus as error:
        return _refused(error.response.status_code)
    except InvalidHandshake as error:
        return failure(f"the upgrade of {_NSID} is broken off: {error}", _CURE)
    except (OSError, ssl.SSLError) as error:
        return failure(f"{url} cannot be reached: {explain(error)}", "mend what dns, tls and http say")
    try:
        return await _first_frame(connection)
    finally:
        connection.transport.abort()


async def _first_frame(connection: ClientConnection) -> Finding:
    from websockets.exceptions import ConnectionClosed

    try:
        async with asyncio.timeout(_FRAME_SECONDS):
            frame = read_frame(await connection.recv())
    except TimeoutError:
        return ok("the firehose opens, and is silent: nothing has happened here yet")
    except ConnectionClosed as error:
        return failure(
            f"the firehose opens and is closed at once: {error}",
            "raise the proxy's limits for connections and idle time (nginx: proxy_read_timeout 1h)",
        )
    except FrameError as error:
        return failure(f"what comes is no event of a firehose: {error}", "let the proxy pass the path to the server")
    return ok(f"the firehose opens, and sends its first event ({frame.kind})")


def _refused(status: int) -> Finding:
    if status == _UPGRADE_REQUIRED:
        return failure(
            "the proxy does not upgrade WebSockets: the request arrives without its Upgrade header (426), so no relay "
            "can subscribe and nothing written here is seen elsewhere",
            _CURE,
        )
    return failure(
        f"the upgrade of {_NSID} is answered with {status}: no relay can subscribe",
        _CURE if status in {200, 400, 404, 501} else "see http for why the server does not answer",
    )


async def _plain(examination: Examination) -> Finding:
    try:
        answer = await examination.get(f"/xrpc/{_NSID}")
    except RemoteError as error:
        return failure(f"a plain GET of {_NSID}: {explain(error)}", "mend what http says")
    if error_name(answer) is not None:
        return ok(f"a plain GET is answered by the server ({answer.status} {error_name(answer)})")
    return warning(
        f"a plain GET of {_NSID} is answered with {answer.status}, and not by the server",
        "let the proxy pass every path below /xrpc/ on to the server",
    )
