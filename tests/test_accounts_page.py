"""The commands of `docs/accounts.md`, one after the other, by an owner who reads his codes in the log."""

import re
import subprocess
import time
from pathlib import Path

from tests.support.process import json_request
from tests.support.server import Tempest

PAGE = (Path(__file__).parent.parent / "docs" / "accounts.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")
# What one block leaves to the next, as one terminal does.
KEPT = "declare -p PDS TOKEN DID 2>/dev/null || true; declare -f sign_in xrpc"


def newest_code(server: Tempest, seen: set[str]) -> str:
    """Wait for a code that was not there before."""
    deadline = time.monotonic() + 20
    while not (new := [match[0] for match in CODE.finditer(server.log.read_text()) if match[0] not in seen]):
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.02)
    seen.update(new)
    return new[-1]


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    state, seen = tmp_path / "state", set[str]()
    state.touch()
    with Tempest(tmp_path / "data") as server:
        given = {"handle": "alice.test", "email": "alice@example.com", "password": "correct horse"}
        status, made = json_request(f"{server.url}/xrpc/com.atproto.server.createAccount", given)
        assert status == 200, made
        for block in BLOCKS:
            commands = block.replace("http://localhost:4000", server.url)
            if "ABCDE-FGHIJ" in commands:
                commands = commands.replace("ABCDE-FGHIJ", newest_code(server, seen))
            script = f". {state}\n{commands}\n({KEPT}) > {state}"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, (block, done.stdout, done.stderr)
        refused = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f". {state}\nTOKEN=$(sign_in nobody.test wrong)\necho signed in"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "AuthenticationRequired" in refused.stderr, refused.stdout
        assert "signed in" not in refused.stdout
        where = f"{server.url}/xrpc/com.atproto.sync.getRepoStatus?did={made['did']}"  # type: ignore[index]
        assert json_request(where)[0] == 400, "the account is still here"
