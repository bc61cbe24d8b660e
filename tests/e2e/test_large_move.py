"""`tempest migrate` with a large repository: neither the command nor the servers hold it in memory."""

import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.e2e.test_import_repo import import_repo
from tests.support.account import Account, sign_up
from tests.support.backups import upload
from tests.support.foreign_repo import large_repo
from tests.support.process import json_request
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest

from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.syntax.did import Did

# 200 MB is what was asked for.
GROWTH_MIB = 40
PASSWORD = "a-good-password"


@pytest.mark.parametrize("records", [8_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_moving_a_large_account_takes_no_memory_of_its_size(
    records: int, plc: PlcDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tempest(tmp_path / "old", plc.url) as old, Tempest(tmp_path / "new", plc.url) as new:
        secret = secrets.token_hex(32)
        (tmp_path / "key").write_text(secret)
        key = private_key(bytes.fromhex(secret), "k256")
        account = _sign_up_with_recovery_key(old, key.public.did_key)
        small = _migrate(account, new, plc, tmp_path, "--dry-run")
        pictures = [upload(account, f"a picture {number}".encode()) for number in range(20)]
        data = large_repo(Did(account.did), records, pictures, lost=False)
        status, answer = import_repo(account, data)
        assert status == 200, answer
        # What a first import brings in, the new server has too.
        other = sign_up(new, "other")
        assert import_repo(other, large_repo(Did(other.did), 10, pictures))[0] == 200
        rest = {}
        for server in (old, new):
            rest[server] = server.memory_mib()
            server.reset_peak_memory()
        growth = {"the command": _migrate(account, new, plc, tmp_path, "--yes", "--deep") - small}
        growth["the old server"] = old.memory_mib("VmHWM") - rest[old]
        growth["the new server"] = new.memory_mib("VmHWM") - rest[new]
        with capsys.disabled():
            figures = ", ".join(f"{name} {size:.0f} MiB" for name, size in growth.items())
            print(f"\n{records} records, {len(data) >> 20} MiB; above rest: {figures}")
        assert all(size < GROWTH_MIB for size in growth.values()), growth
        state = json_request(f"{new.url}/xrpc/com.atproto.sync.getRepoStatus?did={account.did}")[1]
        assert isinstance(state, dict)
        assert state["active"] is True


def _sign_up_with_recovery_key(server: Tempest, key: str) -> Account:
    handle = "large.test"
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": PASSWORD, "recoveryKey": key}
    status, made = json_request(f"{server.url}/xrpc/com.atproto.server.createAccount", given)
    assert status == 200, made
    assert isinstance(made, dict)
    return Account(server, made["did"], handle, PASSWORD, made["accessJwt"], made["refreshJwt"])


def _migrate(account: Account, target: Tempest, plc: PlcDirectory, folder: Path, *more: str) -> float:
    """Run the command to its end, and return the peak of its memory in MiB."""
    environ = {
        **target.env,
        "TEMPEST_MIGRATE_SOURCE_PASSWORD": PASSWORD,
        "TEMPEST_MIGRATE_TARGET_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "tempest_pds.cli.main", "migrate", account.did, target.url, "--plc-url", plc.url]
    command += ["--state", str(folder / "state"), "--plc-rotation-key", str(folder / "key"), *more]
    log = folder / "migrate.log"
    peak = 0.0
    with log.open("ab") as output:
        child = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        # Not what the kernel says of it in the end: that has the memory of this process in it, which it began as.
        while child.poll() is None:
            peak = _peak_mib(child.pid) or peak
            time.sleep(0.02)
    assert child.returncode == 0, log.read_text()
    return peak


def _peak_mib(pid: int) -> float | None:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None  # it is about to end
