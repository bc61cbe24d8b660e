"""What is examined: the facts of a deployment, from its settings or, on another machine, from its URL alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tempest_pds.protocol.errors import TempestError
from tempest_pds.settings import LOCALHOST, Settings
from tempest_pds.settings_fields import read_values, setting_fields
from tempest_pds.settings_loading import read_relays

_PLC: Final = "https://plc.directory"
_RELAY: Final = "https://bsky.network"
_READ_OUTSIDE: Final = frozenset({"plc_url", "crawlers", "appview_url", "appview_did", "ssrf_protection"})


class BadTarget(TempestError):
    """The operator named something that cannot be examined; the text is one line that says what to give instead."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The facts.

    Attributes:
        handle_domains: empty when only the server itself can tell.
        plc_url: None where a ledger in the data directory stands in for the directory.
        allow_private: whether the network is a private one on purpose (`TEMPEST_SSRF_PROTECTION=false`).
        settings: None on another machine, and where the settings cannot be read.
        settings_error: why they cannot be.
    """

    hostname: str
    public_url: str
    handle_domains: Sequence[str]
    plc_url: str | None
    crawlers: Sequence[str]
    appview_url: str
    allow_private: bool
    environ: Mapping[str, str] = field(repr=False)
    settings: Settings | None = field(default=None, repr=False)
    settings_error: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the server is for its own machine only, where there is no outside to look from."""
        return self.hostname == LOCALHOST

    @classmethod
    def of_settings(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Take the facts from checked settings."""
        return cls(
            hostname=settings.hostname,
            public_url=settings.public_url,
            handle_domains=settings.handle_domains,
            plc_url=settings.plc_url,
            crawlers=settings.crawlers,
            appview_url=settings.appview_url,
            allow_private=not settings.ssrf_protection,
            environ=environ,
            settings=settings,
        )

    @classmethod
    def of_url(cls, url: str, environ: Mapping[str, str], settings_error: str | None = None) -> Self:
        """Take the facts from the public URL; the other services from the environment where it names them.

        Raises:
            BadTarget: it is not the origin of a web server.
            SettingsError: one of the variables that are read makes no sense.
        """
        parts = urlsplit(url if "//" in url else f"https://{url}")
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise BadTarget("--url must be the public URL of a server, such as https://pds.example.com")
        read: dict[str, Any] = read_values(
            [known for known in setting_fields(Settings) if known.attribute in _READ_OUTSIDE], environ
        )
        return cls(
            hostname=parts.hostname,
            public_url=f"{parts.scheme}://{parts.netloc}",
            handle_domains=(),
            plc_url=read.get("plc_url", _PLC).rstrip("/"),
            crawlers=read_relays(read.get("crawlers", (_RELAY,))),
            appview_url=read.get("appview_url", "https://api.bsky.app").rstrip("/"),
            allow_private=not read.get("ssrf_protection", True),
            environ=environ,
            settings_error=settings_error,
        )


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the operator asks for beside the deployment itself.

    Attributes:
        accounts: how many accounts are looked at; None is all of them.
        nameservers: asked in place of those of this machine, each an address and a port.
        connect_to: for a port of the server's own names, the address and port to connect to in place of what DNS says.
        min_free_percent: of the disk.
        max_backup_hours: the age from which the newest backup is too old.
        request_crawl: whether relays that do not know the server are asked to crawl it.
        seconds: for each check as a whole.
    """

    dids: Sequence[str] = ()
    handles: Sequence[str] = ()
    accounts: int | None = 20
    nameservers: Sequence[tuple[str, int]] = ()
    connect_to: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    ca_file: Path | None = None
    min_free_percent: int = 10
    max_backup_hours: int = 36
    request_crawl: bool = False
    seconds: float = 30.0
