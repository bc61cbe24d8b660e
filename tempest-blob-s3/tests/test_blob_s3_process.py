"""What only a process of its own shows: its memory, its sudden death, and what it has imported."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import BlobNotFound, PluginContext, streams

NAMES = "TEMPEST_BLOB_S3_"
PREAMBLE = """
import asyncio, os, sys
from pathlib import Path
from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import PluginContext
from tempest_pds_plugins.testing.chunks import MIB, digest, large

async def opened():
    store = create(os.environ, PluginContext(data_dir=Path("/")))
    await store.open()
    return store

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))

def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
"""


def program(body: str) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + textwrap.dedent(body)]


def kill_after(line: bytes, command: list[str], environment: dict[str, str]) -> None:
    """Run a program until it has written the line, and then no longer."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == line
        child.send_signal(signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux tells it")
def test_200_mb_each_way_take_little_memory(s3_server: S3Server) -> None:
    """The whole process, and not only what Python has allocated."""
    body = """
        async def main():
            store = await opened()
            # What the first of each kind imports and caches stays; what follows is the growth of the transfer alone.
            await store.put("k", large(12 * MIB))
            await digest(await store.get("k"))
            reset_peak()
            before = peak()
            await store.put("k", large(200 * MIB))
            print(peak() - before)
            reset_peak()
            before = peak()
            print((await digest(await store.get("k")))[0])
            print(peak() - before)
            await store.close()
        asyncio.run(main())
    """
    environment = {**os.environ, **s3_server.settings(NAMES, s3_server.make_bucket())}
    done = subprocess.run(program(body), env=environment, capture_output=True, text=True, check=True, timeout=120)
    up, size, down = (float(line) for line in done.stdout.split())
    assert size == 200 * 1024 * 1024
    assert up < 30, f"an upload took {up} MiB"
    assert down < 10, f"a download took {down} MiB"


async def test_a_process_killed_in_the_middle_of_an_upload_leaves_nothing_to_see(
    lone_s3_server: S3Server, tmp_path: Path
) -> None:
    """Its parts are left, invisible, until a start a day later clears them."""
    bucket = lone_s3_server.make_bucket()
    environment = lone_s3_server.settings(NAMES, bucket, PREFIX="ours")
    body = """
        async def source():
            async for chunk in large(12 * MIB):
                yield chunk
            print("two parts are sent", flush=True)
            await asyncio.sleep(600)

        async def main():
            await (await opened()).put("public/k", source())
        asyncio.run(main())
    """
    kill_after(b"two parts are sent\n", program(body), environment)
    assert lone_s3_server.uploads(bucket) == ["ours/public/k"]
    store = create(environment, PluginContext(data_dir=tmp_path))
    await store.open()
    with pytest.raises(BlobNotFound):
        await store.get("public/k")
    assert [stat async for stat in store.list()] == []
    await store.put("public/k", streams.of(b"another"))
    assert await streams.collect(await store.get("public/k")) == b"another"
    await store.close()
    yesterday = time.time() - 25 * 3600
    for path in lone_s3_server.folder.rglob("*"):
        os.utime(path, (yesterday, yesterday))
    again = create(environment, PluginContext(data_dir=tmp_path))
    await again.open()
    await again.close()
    assert lone_s3_server.uploads(bucket) == []


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for three small modules."""
    probe = "import tempest_pds_blob_s3.plugin as p, sys; p.register_blob_stores(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert "tempest_pds_blob_s3.settings" in loaded
    for heavy in ("boto3", "botocore", "urllib3"):
        assert heavy not in loaded
