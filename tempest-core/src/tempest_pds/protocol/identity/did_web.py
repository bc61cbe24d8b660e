"""did:web, as far as the network takes it: a hostname, whose server has the document.

https://atproto.com/specs/did#blessed-did-methods. There is no path; a port, written `%3A8080`, is for development.
"""

from __future__ import annotations

import re
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did

DOCUMENT_PATH: Final = "/.well-known/did.json"

_HOST: Final = re.compile(
    r"(?P<host>(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)"
    r"(?:%3[Aa](?P<port>[1-9][0-9]{0,4}))?",
    re.IGNORECASE,
)


def did_web_host(did: Did) -> tuple[str, int | None]:
    """Return the hostname in lower case, and the port if any; raise InvalidSyntax, also when there is a path."""
    match = _HOST.fullmatch(did.identifier) if did.method == "web" else None
    if match is None or len(match["host"]) > 253:
        raise InvalidSyntax(f"not a did:web of a hostname: {did[:80]!r}")
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65535:
        raise InvalidSyntax(f"not a did:web of a hostname: {did[:80]!r}")
    return match["host"].lower(), port


def did_web_document_url(did: Did) -> str:
    """Return where the document is: https, but for localhost; raise InvalidSyntax."""
    host, port = did_web_host(did)
    scheme = "http" if host == "localhost" else "https"
    return f"{scheme}://{host}{'' if port is None else f':{port}'}{DOCUMENT_PATH}"


def did_web_for(host: str, port: int | None = None) -> Did:
    """Return the DID of a hostname; raise InvalidSyntax for what is none."""
    did = Did.parse(f"did:web:{host.lower()}" + ("" if port is None else f"%3A{port}"))
    did_web_host(did)
    return did
