"""What a server that uses nothing but its own machine has not loaded after some work, with every adapter installed.

What a start alone loads is tested in `tempest-core/tests/cli/test_lean_start.py`.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ADAPTERS = ("tempest-pds-blob-s3", "tempest-pds-backup-s3", "tempest-pds-smtp", "tempest-pds-otel")
# Serves as `tempest serve` does, lives through a session in a thread, and prints what is loaded by then.
PROBE = """
import asyncio, http.client, json, os, sys
from tempest_pds.cli.serve_command import bind, build_app, configure_logs, load_or_explain, make_server
from tempest_pds.cli.serve_command import new_event_loop_factory

settings = load_or_explain(os.environ)
listener = bind(settings.bind_address, 0)
app = build_app(settings, os.environ, configure_logs(settings.log_level, settings.log_format))
statuses = []


def call(path, body=None, **headers):
    connection = http.client.HTTPConnection(*listener.getsockname()[:2], timeout=30)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, data, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    statuses.append([path.partition("?")[0], answer.status])
    raw = answer.read()
    connection.close()
    return json.loads(raw) if answer.headers["Content-Type"].startswith("application/json") else raw


def live():
    new = {"handle": "alice.test", "email": "alice@mail.test", "password": "a long password"}
    did = call("/xrpc/com.atproto.server.createAccount", new)["did"]
    session = call("/xrpc/com.atproto.server.createSession", {"identifier": did, "password": "a long password"})
    bearer = {"Authorization": "Bearer " + session["accessJwt"]}
    picture = {**bearer, "Content-Type": "image/png"}
    blob = call("/xrpc/com.atproto.repo.uploadBlob", b"\\x89PNG\\r\\n\\x1a\\n", **picture)["blob"]
    record = {"$type": "com.example.thing", "text": "grüße", "blob": blob}
    write = {"repo": did, "collection": "com.example.thing", "record": record}
    call("/xrpc/com.atproto.repo.createRecord", write, **bearer)
    call(f"/xrpc/com.atproto.repo.listRecords?repo={did}&collection=com.example.thing")
    call(f"/xrpc/com.atproto.sync.getBlob?did={did}&cid={blob['ref']['$link']}")
    call(f"/xrpc/com.atproto.sync.getRepo?did={did}")
    call("/xrpc/_health")
    call("/xrpc/com.atproto.server.describeServer")
    call("/")


async def work():
    try:
        await asyncio.to_thread(live)
    finally:
        print(json.dumps([statuses, sorted(name for name, module in sys.modules.items() if module is not None)]))
        server.should_exit = True


tasks = []
server = make_server(app, lambda: tasks.append(asyncio.ensure_future(work())))
with asyncio.Runner(loop_factory=new_event_loop_factory()) as runner:
    runner.run(server.serve(sockets=[listener]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder: Path = tmp_path_factory.mktemp("local")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "OTEL_"))}
    environment = {**inherited, "TEMPEST_DATA_DIR": str(folder / "data")}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    statuses, modules = json.loads(done.stdout.splitlines()[-1])
    assert len(statuses) == 10
    assert {status for _, status in statuses} == {200}, statuses
    return set(modules)


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_adapter_is_installed(name: str) -> None:
    """Or its absence from memory would say nothing."""
    assert distribution(name).entry_points


@pytest.mark.parametrize(
    "library",
    [
        "aiosmtplib",
        "boto3",
        "botocore",
        "google.protobuf",
        "opentelemetry.exporter",
        "opentelemetry.proto",
        "opentelemetry.sdk",
        "prometheus_client",
        "requests",
        "s3transfer",
        "urllib3",
    ],
)
def test_a_library_of_an_adapter_that_is_not_selected_is_not_loaded(library: str, loaded: set[str]) -> None:
    assert not [name for name in loaded if name == library or name.startswith(f"{library}.")]


@pytest.mark.parametrize("name", ADAPTERS)
def test_of_an_adapter_only_registration_and_settings_are_loaded(name: str, loaded: set[str]) -> None:
    package = name.replace("-", "_")
    found = {module for module in loaded if module.split(".")[0] == package}
    # Of a bucket's address, which the settings are checked for; it imports nothing heavy.
    assert found - {"tempest_pds_blob_s3.location"} == {package, f"{package}.plugin", f"{package}.settings"}
