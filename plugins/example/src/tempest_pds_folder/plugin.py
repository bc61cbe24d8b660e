"""The registration: what Tempest loads, whether the plugin is selected or not. It stays light."""

from tempest_pds_folder.journal import (
    app_authorized,
    blob_stored,
    check_sign_up,
    record_committed,
    server_started,
    signed_in,
)
from tempest_pds_folder.settings import FolderSettings, JournalSettings
from tempest_pds_plugins import Adapter, BlobStore, Environment, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared, read

__all__ = [
    "app_authorized",
    "blob_stored",
    "check_sign_up",
    "record_committed",
    "register_blob_stores",
    "server_started",
    "signed_in",
]


def create(environment: Environment, context: PluginContext) -> BlobStore:
    """Make the blob store. What is heavy is imported here, when it is selected."""
    from tempest_pds_folder.folder_blob_store import FolderBlobStore

    return FolderBlobStore(read(FolderSettings, environment).path)


@hookimpl
def register_blob_stores() -> list[Adapter[BlobStore]]:
    """Offer the folder."""
    settings = (*declared(FolderSettings), *declared(JournalSettings))
    return [Adapter("folder", create, settings, "each blob a file in a folder")]
