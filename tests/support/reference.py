"""The reference PDS and the PLC directory, as child processes over one folder."""

import os
from pathlib import Path

from tests.support.node import NODE_FOLDER, Node
from tests.support.process import ServerProcess, free_port

DEAD_APP_VIEW = "http://localhost:1"
"""Where nobody listens: a proxied method fails at once, and no test speaks to a server outside."""
ADMIN_PASSWORD = "admin-password-of-the-tests"


class PlcDirectory(ServerProcess):
    """The directory of did:plc, in memory: what was registered is gone when it ends."""

    name = "PLC directory"
    health_path = "/_health"

    def __init__(self, node: Node, folder: Path) -> None:
        port = free_port()
        command = node.command(NODE_FOLDER / "plc_directory.mjs", str(port))
        super().__init__(command, node.environment(LOG_ENABLED="false"), folder, port)


class ReferencePds(ServerProcess):
    """The reference server with its data on disk and its rate limits off."""

    name = "reference PDS"

    def __init__(self, node: Node, folder: Path, plc_url: str, **settings: str) -> None:
        port = free_port()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NODE_ENV": "production",
            "LOG_ENABLED": "false",
            "PDS_PORT": str(port),
            "PDS_HOSTNAME": "localhost",
            "PDS_DEV_MODE": "true",
            "PDS_SERVICE_HANDLE_DOMAINS": ".test",
            "PDS_INVITE_REQUIRED": "false",
            "PDS_RATE_LIMITS_ENABLED": "false",
            "PDS_DID_PLC_URL": plc_url,
            "PDS_DATA_DIRECTORY": str(folder),
            "PDS_BLOBSTORE_DISK_LOCATION": str(folder / "blobs"),
            "PDS_BLOBSTORE_DISK_TMP_LOCATION": str(folder / "blobs-tmp"),
            "PDS_BLOB_UPLOAD_LIMIT": str(50 * 1024 * 1024),
            "PDS_BSKY_APP_VIEW_URL": DEAD_APP_VIEW,
            "PDS_BSKY_APP_VIEW_DID": "did:web:localhost%3A1",
            "PDS_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "PDS_JWT_SECRET": "0123456789abcdef0123456789abcdef",
            "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX": "11" * 32,
            **settings,
        }
        command = node.command(NODE_FOLDER / "reference_pds.mjs")
        super().__init__(command, {**env, "TEMPEST_NODE_MODULES": str(node.modules)}, folder, port)
