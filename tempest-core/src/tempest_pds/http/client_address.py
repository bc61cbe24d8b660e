"""Which address a request really comes from, when reverse proxies stand in front.

Each proxy appends the address it was called from to X-Forwarded-For, so with n trusted proxies the n-th entry from the
right was written by the outermost of them; what stands further left is whatever the client made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

UNKNOWN = "unknown"


def client_address(scope: Mapping[str, Any], headers: Sequence[tuple[bytes, bytes]], trusted_proxies: int) -> str:
    """Give the client's address as text; `unknown` when neither the socket nor a trusted proxy tells one."""
    peer = scope.get("client")
    if trusted_proxies:
        hops = [hop for name, value in headers if name == b"x-forwarded-for" for hop in value.split(b",")]
        if hops:
            address = _normalise(hops[-trusted_proxies if len(hops) >= trusted_proxies else 0].strip())
            if address is not None:
                return address
    return peer[0] if peer else UNKNOWN


@lru_cache(maxsize=4096)
def _normalise(text: bytes) -> str | None:
    try:
        host = text.decode("ascii").strip('"')
        if host.startswith("["):
            host = host[1:].partition("]")[0]
        elif host.count(":") == 1:
            host = host.partition(":")[0]
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or address).partition("%")[0]
    return str(address)


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """Give what to count an address under: IPv6 clients own at least a /64, and could change address at will."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"{parsed.exploded[:19]}::/64"
