"""The URI of a request in the one form in which a proof's `htu` is compared with it.

Two spellings are the same when RFC 3986 says so: by syntax (section 6.2.2: case of scheme, host and escapes; escapes
that need not be; dot segments) and by scheme (6.2.3: the port that is meant anyway, the empty path). Query and fragment
are no part of it. A proof's URI is only ever compared, never opened or shown, so that, other than in `web_url`, odd
spellings are evened out and not refused. https://www.rfc-editor.org/rfc/rfc9449#section-4.3
"""

from __future__ import annotations

import re
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.web_address import DEFAULT_PORTS

MAX_URI_LENGTH: Final = 8192

_URI: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>(?:/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?)"
    r"(?:\?[!-~]*)?(?:#[!-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalize_http_uri(uri: str) -> str:
    """Return scheme, host, port and path of an absolute URI in their normal form; raise InvalidSyntax.

    A user name in front of the host has no place in a request, and is refused.
    """
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI_LENGTH else None
    if not match:
        raise InvalidSyntax("not an absolute http or https URI")
    scheme, host = match["scheme"].lower(), _unescape(match["host"]).lower()
    if "%" in host:
        raise InvalidSyntax("not the host of an http or https URI")
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    shown_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{shown_port}{_remove_dots(_unescape(match['path']))}"


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_normal_escape, text)


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _remove_dots(path: str) -> str:
    # RFC 3986, section 5.2.4. The path is empty or begins with a slash.
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")
    return "/" + "/".join(kept)
