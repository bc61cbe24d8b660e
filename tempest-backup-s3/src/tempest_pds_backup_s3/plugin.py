"""The registration of the S3 backup sink. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_backup_s3.settings import S3Settings
from tempest_pds_plugins import Adapter, BackupSink, Environment, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared, read


def create(environment: Environment, context: PluginContext) -> BackupSink:
    """Make the backup sink. boto3 is imported here, where it is selected."""
    location = read(S3Settings, environment).location()
    from tempest_pds_backup_s3.backup_sink import S3BackupSink

    return S3BackupSink(location)


@hookimpl
def register_backup_sinks() -> list[Adapter[BackupSink]]:
    """Offer S3."""
    return [Adapter("s3", create, declared(S3Settings), "S3, R2 and other object stores of that kind")]
