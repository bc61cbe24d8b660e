"""The registration of the S3 backup sink. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_backup_s3.settings import S3Settings
from tempest_pds_plugins import Adapter, AdapterNotCarried, BackupSink, Environment, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared


def create(environment: Environment, context: PluginContext) -> BackupSink:
    """Refuse, before anybody sets up what would not be used: this version cannot do the adapter's work."""
    raise AdapterNotCarried(
        "this version of tempest-pds-backup-s3 carries the settings and not yet the work of the S3 backup sink; "
        "set TEMPEST_BACKUP_STORE=local, or install a later version"
    )


@hookimpl
def register_backup_sinks() -> list[Adapter[BackupSink]]:
    """Offer S3."""
    return [Adapter("s3", create, declared(S3Settings), "S3, R2 and other object stores of that kind")]
