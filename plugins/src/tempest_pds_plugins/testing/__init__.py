"""The conformance kit: one test class a contract, which an adapter's author subclasses with one fixture.

    from tempest_pds_plugins.testing import BlobStoreContract

    class TestAcmeBlobStore(BlobStoreContract):
        @pytest.fixture
        def blob_store(self, tmp_path):
            return AcmeBlobStore(tmp_path)

The fixture returns an adapter that is new, empty and not opened; the kit opens and closes it. The kit needs the extra
``testing`` (pytest and pytest-asyncio), and works in both modes of pytest-asyncio.
"""

import pytest

# Before the imports below: only then do the kit's bare asserts explain themselves in somebody else's test run.
for _module in ("backup_sink", "blob_keys", "blob_store", "chunks", "mailer", "telemetry_exporter"):
    pytest.register_assert_rewrite(f"tempest_pds_plugins.testing.{_module}")

from tempest_pds_plugins.testing.backup_sink import BackupSinkContract  # noqa: E402
from tempest_pds_plugins.testing.blob_store import BlobStoreContract  # noqa: E402
from tempest_pds_plugins.testing.mailer import MailerContract  # noqa: E402
from tempest_pds_plugins.testing.telemetry_exporter import TelemetryExporterContract  # noqa: E402

__all__ = ["BackupSinkContract", "BlobStoreContract", "MailerContract", "TelemetryExporterContract"]
