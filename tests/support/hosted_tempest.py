"""Tempest on a `LoneHost`, under a public name and with its protection against private addresses, as in production."""

import sys
from pathlib import Path

from tests.support.lone_host import HostedProcess, LoneHost


def hosted_tempest(
    host: LoneHost, folder: Path, *, hostname: str, port: int, plc_port: int, handle_domains: str
) -> HostedProcess:
    """Return the process, not started; people can sign up without an invite code, and no limits count."""
    settings = {
        "PORT": str(port),
        "TEMPEST_HOSTNAME": hostname,
        "TEMPEST_PUBLIC_URL": f"https://{hostname}",
        "TEMPEST_HANDLE_DOMAINS": handle_domains,
        "TEMPEST_DATA_DIR": str(folder),
        "TEMPEST_BIND_ADDRESS": "127.0.0.1",
        "TEMPEST_SSRF_PROTECTION": "true",
        "TEMPEST_PLC_URL": f"http://127.0.0.1:{plc_port}",
        "TEMPEST_CRAWLERS": "",
        "TEMPEST_APPVIEW_URL": "http://127.0.0.1:1",
        "TEMPEST_INVITE_REQUIRED": "false",
        "TEMPEST_RATE_LIMITS_ENABLED": "false",
        "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
        "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    }
    serve = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
    return HostedProcess(host, serve, settings, folder, port, f"http://127.0.0.1:{port}/xrpc/_health")
