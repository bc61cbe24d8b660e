"""Which addresses may be connected to on the word of a stranger.

A URL in a DID document, a handle or a header is chosen by whoever wrote it. It must not become a way to reach what
only this machine can reach: its own ports, the cloud's metadata service, the neighbours on the local network.
"""

import ipaddress

# Ranges that `ipaddress` counts as global although they lead elsewhere: translation prefixes carry an IPv4 address
# inside, which a gateway on the path would unwrap into a private one.
_TRANSLATED = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24", "::/96")
]


def is_public(text: str) -> bool:
    """Tell whether an IP address, given as text, belongs to the public unicast internet.

    Anything that is not an IP address is not public.
    """
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address.version == network.version and address in network for network in _TRANSLATED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
