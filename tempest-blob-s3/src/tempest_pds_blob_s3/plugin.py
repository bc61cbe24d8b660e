"""The registration of the S3 blob store. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_blob_s3.settings import S3Settings
from tempest_pds_plugins import Adapter, BlobStore, Environment, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared, read


def create(environment: Environment, context: PluginContext) -> BlobStore:
    """Make the blob store. boto3 is imported here, where it is selected."""
    location = read(S3Settings, environment).location()
    from tempest_pds_blob_s3.blob_store import S3BlobStore

    return S3BlobStore(location)


@hookimpl
def register_blob_stores() -> list[Adapter[BlobStore]]:
    """Offer S3."""
    return [Adapter("s3", create, declared(S3Settings), "S3, R2 and other object stores of that kind")]
