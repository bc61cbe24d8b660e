"""Which file system a folder is on, as Linux tells it in /proc/mounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/mounts")
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
OF_A_CONTAINER: Final = frozenset({"overlay", "aufs"})
OVER_A_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs"}
    | {"fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.goofys", "davfs", "fuse.davfs2", "lustre"}
)


def file_system_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Give the type of the file system; None where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    path = folder.resolve()
    best: tuple[int, str] | None = None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescape(fields[1]))
        # The last of several mounts on one point is the one that is seen.
        if (path == point or point in path.parents) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), fields[2])
    return None if best is None else best[1]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
