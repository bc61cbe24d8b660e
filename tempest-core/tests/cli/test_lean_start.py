"""What a server that uses nothing but this machine has loaded once it has answered its first request."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Serves as `tempest serve` does, asks over a real connection, and prints the status and what is loaded by then.
PROBE = """
import asyncio, json, os, sys
from tempest_pds.cli.serve_command import bind, build_app, configure_logs, load_or_explain, make_server
from tempest_pds.cli.serve_command import new_event_loop_factory

settings = load_or_explain(os.environ)
listener = bind(settings.bind_address, 0)
app = build_app(settings, os.environ, configure_logs(settings.log_level, settings.log_format))


async def ask():
    reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
    writer.write(b"GET /xrpc/_health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    answer = await reader.read()
    writer.close()
    print(json.dumps([answer[9:12].decode(), sorted(sys.modules)]))
    server.should_exit = True


tasks = []
server = make_server(app, lambda: tasks.append(asyncio.ensure_future(ask())))
with asyncio.Runner(loop_factory=new_event_loop_factory()) as runner:
    runner.run(server.serve(sockets=[listener]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder: Path = tmp_path_factory.mktemp("lean")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPEST_")}
    environment = {**inherited, "TEMPEST_DATA_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == "200"
    return set(modules)


@pytest.mark.parametrize(
    "module",
    [
        "aiohttp",  # until another server is asked
        "aiosmtplib",
        "alembic",  # until a file is older than the server
        "argon2",  # until somebody logs in
        "boto3",
        "botocore",
        "disposable_email_domains",  # until somebody gives an address
        "dns",
        "filetype",  # until a blob is uploaded
        "fido2",  # until somebody shows a passkey
        "jinja2",  # until somebody looks at a page
        "jwt",  # until somebody signs something for us with a key of their own
        "opentelemetry.sdk",
        "pydantic",
        "pygments",
        "pyotp",  # until somebody gives the code of an app
        "regex",  # until a text beyond ASCII has a limit in graphemes
        "rich",
        "segno",
        "sqlalchemy.orm",
    ],
)
def test_a_local_server_starts_without(module: str, loaded: set[str]) -> None:
    assert module not in loaded
