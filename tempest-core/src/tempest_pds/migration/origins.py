"""Where the two servers are: from what the owner typed, or the DID says, to an origin that may be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from tempest_pds.migration.errors import MigrationError
from tempest_pds.migration.journal import Journal
from tempest_pds.migration.plan import PLC_DIRECTORY, Plan
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.remote.addresses import is_public
from tempest_pds.remote.guarded_sessions import look_up_addresses

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def origin(url: str) -> str:
    """Give the origin of a server that was named; raise MigrationError for what would carry passwords in the open."""
    text = url if "://" in url else f"https://{url}"
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.path.strip("/"):
        raise MigrationError(f"{url} is no address of a server, such as https://pds.example.com")
    if parts.scheme == "http":
        try:
            addresses = await look_up_addresses(host, port or 80)
        except OSError:
            addresses = []
        if any(is_public(address) for address, _ in addresses):
            raise MigrationError(f"{url} is plain http, and passwords would be read on the way: give https://{host}")
    return f"{parts.scheme}://{host if ':' not in host else f'[{host}]'}" + ("" if port is None else f":{port}")


async def find_source(
    plan: Plan, journal: Journal, document: DidDocument, target: Server, server: Callable[[str, str], Server]
) -> Server | None:
    """Give the server that a move began from, else the one that the DID names; None where it is gone."""
    if plan.car is not None:
        return None
    known = journal.move.get("source")
    if journal.move and known is None:
        return None
    url = known or document.pds_endpoint
    if url is None:
        raise MigrationError(f"{document.did} names no server: give the one that has the account with --source")
    found = await origin(url)
    if found == target.url:
        raise MigrationError(f"{document.did} is at {target.url} already: there is nothing to move")
    return server(found, "the source")


def advice_on_ledgers(plan: Plan, *servers: Server | None) -> str:
    """Say what keeps an account of a server on this machine from being found, with what joins it to a message."""
    on_this_machine = any(server is not None and urlsplit(server.url).hostname in _LOCAL for server in servers)
    if not on_this_machine or plan.plc_url.rstrip("/") != PLC_DIRECTORY:
        return ""
    return (
        "; a server on localhost keeps its DIDs in a ledger of its own, from which no account can move: "
        "give both servers one TEMPEST_PLC_URL, and name it here with --plc-url"
    )
