"""The suites for a server on this machine, `tests/smoke/local-compat/`: first against the reference server."""

import subprocess
from pathlib import Path

import pytest
from tests.support.hurl import SMOKE, require_hurl
from tests.support.process import ServerProcess
from tests.support.reference import ADMIN_PASSWORD, ReferencePds

SUITES = sorted((SMOKE / "local-compat").glob("*.hurl"))
OURS = {"firehose", "tempest-basic"}
"""What the reference server does otherwise: 401 to a method of nobody's, and to the firehose without a WebSocket."""


def admin_token(server: ServerProcess) -> str:
    if isinstance(server, ReferencePds):
        return ADMIN_PASSWORD
    return (server.folder / "keys" / "secret_admin_token").read_text().strip()


def hurl(server: ServerProcess, suite: Path) -> subprocess.CompletedProcess[str]:
    variables = ["--variable", f"base_url={server.url}", "--secret", f"admin_token={admin_token(server)}"]
    command = [str(require_hurl()), "--test", "--no-color", "--error-format=long", *variables, str(suite)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.stem)
def test_a_suite_passes(pds: ServerProcess, suite: Path) -> None:
    if isinstance(pds, ReferencePds) and suite.stem in OURS:
        pytest.skip("Tempest's own")
    done = hurl(pds, suite)
    assert done.returncode == 0, done.stderr


def test_every_part_of_the_compatibility_profile_is_there() -> None:
    wanted = {"health", "xrpc", "accounts", "identity", "records", "car-sync", "firehose", "blobs", "tempest-basic"}
    assert {suite.stem for suite in SUITES} == wanted


def test_the_oauth_suite_passes(pds: ServerProcess) -> None:
    done = hurl(pds, SMOKE / "oauth.hurl")
    assert done.returncode == 0, done.stderr
