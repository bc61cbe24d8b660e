"""`docs/settings.md`, from the declarations of the settings."""

from collections.abc import Sequence

from tempest_pds import builtin_plugins
from tempest_pds.plugins import DISABLED
from tempest_pds.settings import Settings
from tempest_pds.settings_fields import setting_fields
from tempest_pds_plugins.settings import Setting

_HEAD = """# Settings

Tempest is configured by environment variables. This page is generated from the declarations in
`tempest_pds/settings.py`; `tempest config` shows what is in force, secrets hidden.

An empty variable counts as not set. Lists have commas between their items. True is `true`, `1`, `yes` or `on`, false
is `false`, `0`, `no` or `off`. A name that starts with `TEMPEST_` and that nothing reads is a warning at start, with
the nearest name that there is. [Operating](operating.md) tells which of them a server on the internet needs.
"""
_TABLE = "\n| Variable | What it does | Type | Default |\n|---|---|---|---|\n"
_ADAPTERS = """
## Adapters that are installed one by one

Each reads settings of its own, which its page lists: [S3 blobs](../tempest-blob-s3/README.md), [S3
backups](../tempest-backup-s3/README.md), [SMTP](../tempest-smtp/README.md),
[OpenTelemetry](../tempest-otel/README.md). A plugin of somebody else's has its own page, and `tempest config` lists
the settings of every plugin that is installed.
"""


def settings_page() -> str:
    """Write the page."""
    parts = [_HEAD]
    section = ""
    for field in setting_fields(Settings):
        if field.declaration.section != section:
            section = field.declaration.section
            parts.append(f"\n## {section}\n{_TABLE}")
        parts.append(
            _row(field.name, field.declaration.help, field.declaration.secret, field.type_text, field.default_text)
        )
    parts.append(f"\n## Plugins\n{_TABLE}")
    for setting in builtin_settings():
        kind = "comma-separated list" if setting.kind == "list" else setting.kind
        default = f"`{setting.default}`" if setting.default else "none"
        parts.append(_row(setting.name, f"{setting.help.capitalize()}.", setting.secret, kind, default))
    parts.append(_ADAPTERS)
    return "".join(parts)


def builtin_settings() -> Sequence[Setting]:
    """List what the plugin manager and the core's own adapters read."""
    offers = [
        *builtin_plugins.register_blob_stores(),
        *builtin_plugins.register_backup_sinks(),
        *builtin_plugins.register_mailers(),
        *builtin_plugins.register_telemetry_exporters(),
    ]
    return [DISABLED, *(setting for offer in offers for setting in offer.settings)]


def _row(name: str, meaning: str, secret: bool, kind: str, default: str) -> str:
    return f"| `{name}` | {meaning}{' **Secret.**' if secret else ''} | {kind} | {default} |\n"
