"""What goes wrong with backups, each told in one line that an operator can act on."""

from __future__ import annotations

from tempest_pds.protocol.errors import TempestError


class BackupFailed(TempestError):
    """A backup could not be made; nothing of it is kept."""


class BackupRunning(TempestError):
    """A backup is being made already."""


class NotABackup(TempestError):
    """A file or folder that is no backup, or only a part of one."""


class BackupDamaged(TempestError):
    """A backup whose content is not what its manifest says."""


class BackupTooNew(TempestError):
    """A backup that a newer Tempest made."""


class BackupEncrypted(TempestError):
    """An encrypted backup, and not the key to it."""


class TargetNotEmpty(TempestError):
    """A restore into a folder that holds data."""
