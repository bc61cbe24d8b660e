"""Which adapters configuration selects, by kind and name."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tempest_pds_plugins.backup_sink import BackupSink
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.mailer import Mailer
from tempest_pds_plugins.telemetry_exporter import TelemetryExporter

NO_TELEMETRY: Final = "none"


class AdapterKind(Enum):
    """The four things an adapter can be: `label` for a person, the setting that selects it, the hook that offers it."""

    label: str
    setting: str
    hook: str
    contract: type

    BLOB_STORE = ("blob store", "TEMPEST_BLOB_STORE", "register_blob_stores", BlobStore)
    BACKUP_SINK = ("backup sink", "TEMPEST_BACKUP_STORE", "register_backup_sinks", BackupSink)
    MAILER = ("mailer", "TEMPEST_MAILER", "register_mailers", Mailer)
    TELEMETRY = ("telemetry exporter", "TEMPEST_TELEMETRY", "register_telemetry_exporters", TelemetryExporter)

    def __init__(self, label: str, setting: str, hook: str, contract: type) -> None:
        self.label = label
        self.setting = setting
        self.hook = hook
        self.contract = contract


EXTRAS: Final[Mapping[tuple[AdapterKind, str], str]] = {
    (AdapterKind.BLOB_STORE, "s3"): "blob-s3",
    (AdapterKind.BACKUP_SINK, "s3"): "backup-s3",
    (AdapterKind.MAILER, "smtp"): "smtp",
    (AdapterKind.TELEMETRY, "otlp"): "otel",
    (AdapterKind.TELEMETRY, "prometheus"): "otel",
}
"""The extra of `tempest-pds` that brings each adapter we publish: advice to whoever selects one that is absent."""

# What of the repository has to be installed along with an adapter from there.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"backup-s3": ("./tempest-blob-s3",)}


def how_to_install(extra: str) -> str:
    """Say how the package behind an extra gets into the environment of this process: published, or from a copy."""
    pip = f"{sys.executable} -m pip install"
    folders = " ".join((*_NEEDED.get(extra, ()), f"./tempest-{extra}"))
    return f"{pip} tempest-pds-{extra}, or, from a copy of the repository, {pip} {folders}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The names selected: one of each kind, and any number of telemetry exporters."""

    blob_store: str = "local"
    backup_sink: str = "local"
    mailer: str = "log"
    telemetry: tuple[str, ...] = (NO_TELEMETRY,)

    @property
    def sends_mail(self) -> bool:
        """Whether a mail goes any further than the log."""
        return self.mailer != "log"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Selection":
        """Read the selection alone, so that a listing works where other settings are wrong."""

        def name(setting: str, default: str) -> str:
            return environment.get(setting, "").strip().lower() or default

        smtp = name("TEMPEST_SMTP_ENABLED", "false") in {"true", "1", "yes", "on"}
        telemetry = tuple(item.strip() for item in name("TEMPEST_TELEMETRY", "").split(",") if item.strip())
        return cls(
            blob_store=name("TEMPEST_BLOB_STORE", cls().blob_store),
            backup_sink=name("TEMPEST_BACKUP_STORE", cls().backup_sink),
            mailer=name("TEMPEST_MAILER", "smtp" if smtp else cls().mailer),
            telemetry=telemetry or cls().telemetry,
        )

    def pairs(self) -> list[tuple[AdapterKind, str]]:
        """Return every selected kind and name."""
        return [
            (AdapterKind.BLOB_STORE, self.blob_store),
            (AdapterKind.BACKUP_SINK, self.backup_sink),
            (AdapterKind.MAILER, self.mailer),
            *[(AdapterKind.TELEMETRY, name) for name in self.telemetry],
        ]
