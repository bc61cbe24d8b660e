"""The plugin contract of Tempest: everything a plugin's author imports, and nothing of the server.

Start with `docs/plugins.md`, or with the whole third-party plugin in `plugins/example`. The conformance kit is
`tempest_pds_plugins.testing` and needs the extra ``testing``.
"""

from tempest_pds_plugins.adapters import Adapter, Environment, PluginContext
from tempest_pds_plugins.backup_sink import BackupSink, BackupStat
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import (
    AdapterUnavailable,
    BackupNotFound,
    BlobNotFound,
    InvalidKey,
    InvalidMail,
    InvalidSettings,
    MailPostponed,
    MailRefused,
    MailUnavailable,
    PluginError,
    StoreFull,
    StoreUnavailable,
)
from tempest_pds_plugins.hookspecs import (
    AccountChange,
    RecordAction,
    RecordChange,
    SecondFactor,
    SignInMethod,
    SignInSurface,
)
from tempest_pds_plugins.keys import check_key, check_name
from tempest_pds_plugins.mailer import Mail, Mailer
from tempest_pds_plugins.markers import ENTRY_POINT_GROUP, hookimpl
from tempest_pds_plugins.settings import Setting, setting
from tempest_pds_plugins.telemetry_exporter import Exposition, ServiceIdentity, TelemetryExporter

__all__ = [
    "ENTRY_POINT_GROUP",
    "AccountChange",
    "Adapter",
    "AdapterUnavailable",
    "BackupNotFound",
    "BackupSink",
    "BackupStat",
    "BlobNotFound",
    "BlobStat",
    "BlobStore",
    "Environment",
    "Exposition",
    "InvalidKey",
    "InvalidMail",
    "InvalidSettings",
    "Mail",
    "MailPostponed",
    "MailRefused",
    "MailUnavailable",
    "Mailer",
    "PluginContext",
    "PluginError",
    "RecordAction",
    "RecordChange",
    "SecondFactor",
    "ServiceIdentity",
    "Setting",
    "SignInMethod",
    "SignInSurface",
    "StoreFull",
    "StoreUnavailable",
    "TelemetryExporter",
    "check_key",
    "check_name",
    "hookimpl",
    "setting",
]
