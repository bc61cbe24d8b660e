"""Public addresses, compared with IANA's registries as they are written down there."""

import ipaddress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tempest_pds.remote.addresses import is_public, is_public_name

# https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry, each with whether it is
# globally reachable; and, for what those leave out, …/multicast-addresses, …/ipv6-address-space. 6to4 and Teredo, which
# are "N/A", lead to an IPv4 address inside.
REGISTRY = """
0.0.0.0/8 no            10.0.0.0/8 no           100.64.0.0/10 no        127.0.0.0/8 no          169.254.0.0/16 no
172.16.0.0/12 no        192.0.0.0/24 no         192.0.2.0/24 no         192.31.196.0/24 yes     192.52.193.0/24 yes
192.88.99.0/24 no       192.168.0.0/16 no       192.175.48.0/24 yes     198.18.0.0/15 no        198.51.100.0/24 no
203.0.113.0/24 no       240.0.0.0/4 no          255.255.255.255/32 no   224.0.0.0/4 no          0.0.0.0/0 yes
::1/128 no              ::/128 no               ::ffff:0:0/96 no        64:ff9b::/96 no         64:ff9b:1::/48 no
100::/64 no             100:0:0:1::/64 no       2001::/23 no            2001::/32 no            2001:2::/48 no
2001:10::/28 no         2001:20::/28 no         2001:db8::/32 no        2002::/16 no            2620:4f:8000::/48 yes
3fff::/20 no            5f00::/16 no            fc00::/7 no             fe80::/10 no            fec0::/10 no
ff00::/8 no             ::/96 no                ::/8 no                 2000::/3 yes            ::/0 no
"""
BLOCKS: list[tuple[Any, bool]] = sorted(
    (
        (ipaddress.ip_network(block), reachable == "yes")
        for block, reachable in zip(REGISTRY.split()[::2], REGISTRY.split()[1::2], strict=True)
    ),
    key=lambda entry: -entry[0].prefixlen,
)


def expected(address: Any) -> bool:
    """The most specific block decides; an ISATAP address is an IPv4 address in disguise, whatever its network."""
    if address.version == 6 and address.packed[8:12] in (b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe"):
        return False
    return next(reachable for block, reachable in BLOCKS if address.version == block.version and address in block)


def near(version: int) -> st.SearchStrategy[Any]:
    """Addresses of a version, many of them at the edges of a block."""
    blocks = [block for block, _ in BLOCKS if block.version == version]
    make: Any = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    top = make(2 ** (32 if version == 4 else 128) - 1)
    edges = st.tuples(st.sampled_from(blocks), st.sampled_from([0, -1]), st.integers(-2, 2)).map(
        lambda drawn: make(min(max(int(drawn[0][drawn[1]]) + drawn[2], 0), int(top)))
    )
    inside = st.sampled_from(blocks).flatmap(lambda block: st.integers(int(block[0]), int(block[-1]))).map(make)
    return edges | inside | st.ip_addresses(v=version)  # type: ignore[arg-type]


@given(near(4))
def test_an_ipv4_address_is_public_where_the_registry_says_so(address: ipaddress.IPv4Address) -> None:
    assert is_public(str(address)) == expected(address)


@given(near(6))
@example(ipaddress.ip_address("2606:4700::5efe:7f00:1"))
@example(ipaddress.ip_address("2606:4700::200:5efe:7f00:1"))
def test_an_ipv6_address_is_public_where_the_registry_says_so(address: ipaddress.IPv6Address) -> None:
    assert is_public(str(address)) == expected(address)
    assert is_public(address.exploded) == expected(address)


@given(near(4) | near(6))
def test_no_address_is_public_that_python_knows_as_special(address: Any) -> None:
    """`ipaddress` is older and knows less; what it does know must hold too."""
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(near(4))
def test_an_ipv4_address_inside_of_another_is_never_public(address: ipaddress.IPv4Address) -> None:
    low, six_to_four = int(address), (0x2002 << 112) | (int(address) << 80) | 1
    teredo = (0x20010000 << 96) | (int(address) << 64) | (~int(address) & 0xFFFFFFFF)
    for carrier in (low, (0xFFFF << 32) | low, (0x64FF9B << 96) | low, six_to_four, teredo, (0x5EFE << 32) | low):
        assert not is_public(str(ipaddress.IPv6Address(carrier)))


@given(near(6))
def test_an_address_with_a_zone_is_not_public(address: ipaddress.IPv6Address) -> None:
    assert not is_public(f"{address}%eth0")
    assert not is_public(f"{address}%1")


@pytest.mark.parametrize(
    "text", ["", " 1.1.1.1", "1.1.1", "16843009", "0x1010101", "01.1.1.1", "1.1.1.1.", "[::1]", "x"]
)
def test_what_is_no_plain_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("name", ["example.com", "xn--bcher-kva.example.com", "a.b.c.example.org", "xn--p1ai.xn--p1ai"])
def test_a_name_of_dns_is_public(name: str) -> None:
    assert is_public_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "localhost", "example", "a.localhost", "printer.local", "db.internal", "1.0.0.127.in-addr.arpa", "x.onion",
        "a.test", "a.invalid", "127.0.0.1", "0177.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "1.2.3.0x4",
        "example.com.", ".example.com", "a..example.com", "bücher.example.com", "１２７.example.com", "a_b.example.com",
        "-a.example.com", "", "a.example.com%00", "a b.example.com", f"{'a' * 64}.example.com", "a." * 130 + "com",
    ],
)  # fmt: skip
def test_any_other_name_is_not(name: str) -> None:
    assert not is_public_name(name)
