"""What the plugin reads from the environment."""

from dataclasses import dataclass
from pathlib import Path

from tempest_pds_plugins import setting


@dataclass(frozen=True)
class FolderSettings:
    """Where the blobs go."""

    path: Path = setting("TEMPEST_BLOB_FOLDER_PATH", help="the folder that holds the blobs")


@dataclass(frozen=True)
class JournalSettings:
    """Where the journal goes, if anywhere."""

    path: Path | None = setting(
        "TEMPEST_JOURNAL_PATH", default=None, help="the file that gets a line for everything that happens"
    )
