"""URLs of clients for the comparison with the reference: good ones, and each with its faults."""

import random

HOSTS = [
    "app.example.com",
    "APP.example.com",
    "example",
    "localhost",
    "127.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "8.8.8.8",
    "[::1]",
    "[2001:db8::1]",
    "[0:0:0:0:0:0:0:1]",
    "app.test",
    "app.local",
    "app.localhost",
    "app.invalid",
    "app.example",
    "app.example.com.",
    "a_b.example.com",
    "xn--bcher-kva.example.com",
    "example.com@evil.com",
    "user:pw@app.example.com",
    "app..example.com",
    "1.2.3.4.5",
    "app.example.123",
    "",
    "[::1",
    "exa mple.com",
    "büch.example.com",
    "localhost.com",
]
PORTS = ["", "", "", ":8080", ":443", ":80", ":65536", ":", ":x"]
PATHS = [
    "/client.json",
    "/a/client.json",
    "",
    "/",
    "/a/",
    "/a/../b",
    "/a/./b",
    "/a/%2e%2e/b",
    "/a//b",
    "/ä",
    "/a b",
    "/a\\b",
    "/%zz",
    "/a|b",
    "/{x}",
    "/~a!$&'()*+,;=:@b",
    "/a\tb",
    "/.well-known/x",
    "/a.json.",
]
TAILS = ["", "", "", "?", "?a=b", "?a=/../", "#", "#a", "?a=b#c", "? "]
SCHEMES = ["https://", "https://", "https://", "http://", "http://", "HTTPS://", "ftp://", "https:", "https:///", "//"]
PRIVATE = [
    "com.example.app:/callback",
    "com.example.app:/",
    "com.example.app:",
    "com.example.app:callback",
    "COM.example.app:/cb",
    "com.example.app://callback",
    "com.example.app:///callback",
    "com.example:/cb",
    "app:/cb",
    "com.other.app:/cb",
    "test.app:/cb",
    "local.app:/cb",
    "com..app:/cb",
    ".com:/x",
    "com.example.app:/a?b=c",
    "com.example.app:/a#b",
    "javascript:alert(1)",
    "data:text/html,x",
    "com.example.app:/a b",
    "1com.app:/x",
    "com.ex_ample:/x",
    "mailto:a@b.com",
]


def urls(chance: random.Random, count: int) -> list[str]:
    return [
        chance.choice(SCHEMES)
        + chance.choice(HOSTS)
        + chance.choice(PORTS)
        + chance.choice(PATHS)
        + chance.choice(TAILS)
        for _ in range(count)
    ]


def each_part() -> list[str]:
    """Vary one part of a good URL at a time, so that no fault hides another."""
    found = [f"{scheme}app.example.com/client.json" for scheme in SCHEMES]
    found += [f"{scheme}{host}/client.json" for scheme in ("https://", "http://") for host in HOSTS]
    found += [f"https://app.example.com{port}/client.json" for port in PORTS]
    found += [f"http://127.0.0.1{port}/cb" for port in PORTS]
    found += [f"https://app.example.com{path}" for path in PATHS]
    found += [f"https://app.example.com/client.json{tail}" for tail in TAILS]
    return found


def is_unplain(text: str) -> bool:
    """Tell of the spellings that a browser rewrites: the reference normalises them, Tempest refuses them.

    Dot segments, `\\`, spaces and tabs, letters beyond ASCII, braces, empty labels, a host written as a number, a host
    with a dot at its end, credentials, and an empty port.
    """
    return (
        not text.isascii()
        or ".." in text
        or any(sign in text for sign in " \t\\{}@")
        or any(part in text for part in ("/../", "/./", "%2e", "127.1", "0x7f", ".com./", ".com.:", ":/?", "https:///"))
        or text.endswith((".com.", ":"))
        or ":?" in text
        or ":#" in text
        or ":/" in text.partition("//")[2]
        or text.startswith(("https:a", "HTTPS"))
    )
