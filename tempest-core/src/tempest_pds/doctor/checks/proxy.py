"""The proxy: what it must pass on unchanged, and what it must not refuse."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from tempest_pds.doctor.examination import Examination, error_name
from tempest_pds.doctor.finding import Finding, failure, note, ok, skipped, warning
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import Fetched

_ANSWER_SECONDS: Final = 4.0
_BLOB_BYTES: Final = 10_000_000


async def check_proxy(examination: Examination) -> Sequence[Finding]:
    """Ask what the server answers differently when the proxy changes a request on its way."""
    try:
        health = await examination.get("/xrpc/_health")
    except RemoteError:
        return [skipped("the server cannot be reached: see http")]
    if health.status != 200 or b'"version"' not in health.body:
        return [skipped("the server does not answer: see http")]
    return [
        await _host_header(examination),
        await _client_address(examination),
        *await asyncio.gather(*(_body_size(examination, *probe) for probe in _probes(examination))),
    ]


async def _host_header(examination: Examination) -> Finding:
    """Ask for what the server finds by the Host header alone: its own document, or else a handle's DID."""
    hostname = examination.deployment.hostname
    where = f"https://{hostname}/.well-known/did.json"
    if (await examination.description()).get("did") != f"did:web:{hostname}":
        handle = await examination.hosted_handle()
        if handle is None:
            return skipped("the Host header: there is no account yet by which to tell")
        where = f"https://{handle}/.well-known/atproto-did"
    answer = await examination.network.http.fetch("GET", where)
    if answer.status == 200:
        return ok(f"the Host header arrives ({where})")
    if answer.status == 404:
        return failure(
            f"the proxy does not pass the Host header on: {where} answers 404, so handles here cannot be resolved",
            "nginx: proxy_set_header Host $host; Apache: ProxyPreserveHost On; Caddy: remove `header_up Host`",
        )
    return failure(f"{where} answers {answer.status}", "let the proxy pass /.well-known/ of every host name on")


async def _client_address(examination: Examination) -> Finding:
    """Tell whether the server believes an address that a client made up.

    Each request claims an address that nobody had before. If the count of what is left does not go down, the claim
    was believed.
    """
    left: list[int] = []
    for _ in range(3):
        claimed = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
        answer = await examination.network.http.fetch(
            "GET",
            f"{examination.deployment.public_url}/xrpc/com.atproto.server.describeServer",
            headers={"X-Forwarded-For": claimed},
        )
        remaining = answer.headers.get("ratelimit-remaining", "")
        if not remaining.isdecimal():
            return note("requests are not limited, so it cannot be told whose address the server counts")
        left.append(int(remaining))
    if left[2] < left[0]:
        return ok("clients cannot make up the address that their requests are counted under")
    return warning(
        "a client can choose the address that it is counted under, by a header X-Forwarded-For of its own, and so has "
        "no limits",
        "set TEMPEST_TRUSTED_PROXY_COUNT to the number of proxies in front, no more; and let the outermost proxy append"
        " to X-Forwarded-For",
    )


def _probes(examination: Examination) -> list[tuple[str, int, str]]:
    settings = examination.deployment.settings
    if settings is None:
        return [("com.atproto.repo.uploadBlob", _BLOB_BYTES, "an image")]
    probes = [("com.atproto.repo.uploadBlob", settings.blob_max_bytes, "TEMPEST_BLOB_MAX_BYTES")]
    if settings.repo_import_enabled:
        probes.append(("com.atproto.repo.importRepo", settings.repo_import_max_bytes, "TEMPEST_REPO_IMPORT_MAX_BYTES"))
    return probes


async def _body_size(examination: Examination, nsid: str, size: int, named: str) -> Finding:
    """Announce a body of the largest size, and send none of it: who refuses by the size does so at once."""
    try:
        answer = await _announce(examination, nsid, size)
    except OSError as error:
        return skipped(f"a body of {size} bytes: {explain(error)}")
    if answer is None:
        # Whoever waits for the body has taken its size.
        return ok(f"a body of {size} bytes ({named}) is taken")
    if answer.status == 413 and error_name(answer) is None:
        return failure(
            f"the proxy refuses a body of {size} bytes ({named}) by itself, with status 413",
            f"allow as much in the proxy; nginx: client_max_body_size {-(-size // 1_000_000)}m; Cloudflare stops at "
            "100 MB",
        )
    if error_name(answer) is None:
        return warning(
            f"a body of {size} bytes ({named}) is answered with {answer.status}, and not by the server",
            "look in the proxy's log for why",
        )
    return ok(f"a body of {size} bytes ({named}) passes the proxy")


async def _announce(examination: Examination, nsid: str, size: int) -> Fetched | None:
    parts = urlsplit(examination.deployment.public_url)
    tls = parts.scheme == "https"
    hostname = parts.hostname or ""
    reader, writer = await examination.network.open_stream(hostname, parts.port or (443 if tls else 80), tls=tls)
    try:
        head = (
            f"POST /xrpc/{nsid} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii"))
        await writer.drain()
        async with asyncio.timeout(_ANSWER_SECONDS):
            return _parse(await reader.readuntil(b"\r\n\r\n"), await reader.read(4096))
    except TimeoutError:
        return None
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError(str(error)) from error
    finally:
        writer.transport.abort()


def _parse(head: bytes, body: bytes) -> Fetched:
    status = head.split(b" ", 2)[1]
    if b"chunked" in head.lower():
        # Enough of a short answer to know its maker: what stands in its first chunk.
        body = body.partition(b"\r\n")[2].partition(b"\r\n")[0]
    return Fetched(int(status) if status.isdigit() else 0, {}, body)
