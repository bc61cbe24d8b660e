"""The conformance kit holds the adapter to the contract: one class, one fixture."""

from pathlib import Path

import pytest

from tempest_pds_folder.folder_blob_store import FolderBlobStore
from tempest_pds_plugins import BlobStore
from tempest_pds_plugins.testing import BlobStoreContract


class TestFolderBlobStore(BlobStoreContract):
    @pytest.fixture
    def blob_store(self, tmp_path: Path) -> BlobStore:
        return FolderBlobStore(tmp_path)
