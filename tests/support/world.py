"""What a small internet says, in the file that `tests.support.internet` reads: names, and pages of web hosts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WELL_KNOWN = "/.well-known/atproto-did"
_DOCUMENT = "/.well-known/did.json"


class World:
    """The file, which tests change.

    Args:
        address: of the web hosts.
    """

    def __init__(self, file: Path, address: str) -> None:
        self._file = file
        self._address = address
        self._world: dict[str, Any] = {"dns": {}, "silent": [], "web": {}}

    def name(self, name: str, address: str) -> None:
        """Let a name lead to an address."""
        self._world["dns"][name] = {"A": [address]}
        self._save()

    def txt(self, handle: str, *dids: str) -> None:
        """Let the TXT records of a handle name DIDs; none takes the name away."""
        self.texts(handle, *(f'"did={did}"' for did in dids))

    def texts(self, handle: str, *texts: str, label: str = "_atproto") -> None:
        """Set the TXT records of a handle, in the form of zone files."""
        self._world["dns"].pop(f"{label}.{handle}", None)
        if texts:
            self._world["dns"][f"{label}.{handle}"] = {"TXT": list(texts)}
        self._save()

    def publishes_lexicons(self, domain: str, *dids: str) -> None:
        """Let the TXT records of a domain name the account that publishes its lexicons; none takes the name away."""
        self.texts(domain, *(f'"did={did}"' for did in dids), label="_lexicon")

    def keep_silent(self, *names: str) -> None:
        """Let the name server not answer for names."""
        self._world["silent"] += names
        self._save()

    def page(self, host: str, path: str, *, address: str | None = None, **page: Any) -> None:
        """Put a page onto a host; see `tests.support.internet`."""
        self._world["dns"][host] = {"A": [address or self._address]}
        self._world["web"].setdefault(host, {})[path] = page
        self._save()

    def well_known(self, handle: str, did: str, *, address: str | None = None) -> None:
        """Let the host of a handle name a DID."""
        self.page(handle, _WELL_KNOWN, body=did, address=address)

    def document(self, host: str, document: Mapping[str, Any]) -> None:
        """Let a host have a DID document."""
        self.page(host, _DOCUMENT, body=json.dumps(document), headers={"Content-Type": "application/json"})

    def _save(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._world))
        new.replace(self._file)
