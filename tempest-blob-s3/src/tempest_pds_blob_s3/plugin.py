"""The registration of the S3 blob store. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_blob_s3.settings import S3Settings
from tempest_pds_plugins import Adapter, AdapterNotCarried, BlobStore, Environment, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared


def create(environment: Environment, context: PluginContext) -> BlobStore:
    """Refuse, before anybody sets up what would not be used: this version cannot do the adapter's work."""
    raise AdapterNotCarried(
        "this version of tempest-pds-blob-s3 carries the settings and not yet the work of the S3 blob store; "
        "set TEMPEST_BLOB_STORE=local, or install a later version"
    )


@hookimpl
def register_blob_stores() -> list[Adapter[BlobStore]]:
    """Offer S3."""
    return [Adapter("s3", create, declared(S3Settings), "S3, R2 and other object stores of that kind")]
