"""What clients see of the plugins that are asked about sign-ins and told of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_plugin import installed_plugin
from whole_server import PASSWORD, verdict, whole_server

from tempest_pds.plugin_hooks import POLICY_FAILED

SERVER = "com.atproto.server"
DOORKEEPER = """
import json, pathlib
from tempest_pds_plugins import hookimpl

@hookimpl
def check_sign_in(handle, client_ip, method):
    if handle == "carol.test":
        raise ValueError("an inner detail")
    return f"No {method} from {client_ip}, please." if handle == "bob.test" else None

@hookimpl
def signed_in(did, handle, client_ip, method):
    pathlib.Path(__file__).with_name("told").write_text(json.dumps([did, handle, client_ip, method]))
"""


@pytest.fixture
def doorkeeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a plugin, and give its folder."""
    with installed_plugin("doorkeeper", DOORKEEPER, tmp_path / "site", monkeypatch) as folder:
        yield folder


async def test_a_policy_s_reason_reaches_whoever_knows_the_password_and_nobody_else(
    tmp_path: Path, doorkeeper: Path
) -> None:
    async with whole_server(tmp_path / "data") as server:

        async def log_in(name: str, password: str = PASSWORD) -> tuple[tuple[int, str], str]:
            login = {"identifier": f"{name}.test", "password": password}
            answer = await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)
            return verdict(answer), answer.json().get("message", "")

        alice, bob, _ = [await server.sign_up(name) for name in ("alice", "bob", "carol")]
        assert not (doorkeeper / "told").exists()
        assert await log_in("bob") == ((403, "Forbidden"), "No password from 127.0.0.1, please.")
        assert await log_in("bob", "wrong") == await log_in("nobody") == await log_in("carol", "wrong")
        assert await log_in("carol") == ((403, "Forbidden"), POLICY_FAILED)
        refreshed = await bob.post(f"{SERVER}.refreshSession", Authorization=f"Bearer {bob.refresh}")
        assert refreshed.status_code == 200
        assert not (doorkeeper / "told").exists()
        assert await log_in("alice") == ((200, ""), "")
        assert json.loads((doorkeeper / "told").read_text()) == [alice.did, "alice.test", "127.0.0.1", "password"]
