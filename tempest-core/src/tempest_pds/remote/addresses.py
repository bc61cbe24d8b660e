"""Which hosts may be connected to on the word of a stranger.

A URL in a DID document, a handle or a header is chosen by whoever wrote it. It must not become a way to reach what
only this machine can reach: its own ports, the cloud's metadata service, the neighbours on the local network.

The tables follow IANA's registries of special-purpose addresses. `ipaddress.is_global` is not asked: it differs from
one Python to the next, and lets translation prefixes through, which carry an IPv4 address inside that a gateway on the
path would unwrap into a private one.
"""

import ipaddress
from typing import Final

from tempest_pds.protocol.syntax.handle import Handle

_SPECIAL_IPV4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a provider
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Whatever is outside is unassigned, local, multicast, or an IPv4 address in disguise: mapped, compatible, NAT64.
_UNICAST_IPV6: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_IPV6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
# The host half of an ISATAP address, ahead of its IPv4 address; the second says that it is a global one.
_ISATAP: Final = frozenset((0x0000_5EFE, 0x0200_5EFE))


def is_public(text: str) -> bool:
    """Tell whether an IP address, given as text, belongs to the public unicast internet.

    Anything that is not an IP address is not public, nor is one with a zone.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    if address.scope_id is not None or address not in _UNICAST_IPV6:
        return False
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in network for network in _SPECIAL_IPV6)


def is_public_name(host: str) -> bool:
    """Tell whether a host name is one that DNS could have for everybody: no `localhost`, no `.local`, no number.

    What it leads to may still be anything.
    """
    if not Handle.is_valid(host):
        return False
    name = Handle.parse(host)
    return not name.is_disallowed_tld and name.tld != "test"
