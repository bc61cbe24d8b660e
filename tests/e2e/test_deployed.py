"""A deployed server, as the internet sees it: by its public names, over HTTPS, through Caddy; and the smoke suites."""

import json
import re
from io import BytesIO
from pathlib import Path

import cbor2
import pytest
from tests.support.deployment import HOSTNAME, RELAYS, URL, Deployment
from tests.support.dockerfile import ROOT
from tests.support.hurl import SMOKE, require_hurl

SUITES = sorted((SMOKE / "local-compat").glob("*.hurl"))


@pytest.fixture(scope="module")
def account(deployment: Deployment) -> dict[str, str]:
    """An account made from outside, with an invite code. Its host name leads to the server, as `*.` records do."""
    made = deployment.sh(
        f"""
        CODE=$(curl -fsS -u "admin:$ADMIN_TOKEN" {URL}/xrpc/com.atproto.server.createInviteCode \
          -H 'Content-Type: application/json' -d '{{"useCount": 1}}' | cut -d'"' -f4)
        curl -fsS {URL}/xrpc/com.atproto.server.createAccount -H 'Content-Type: application/json' -d "{{
          \\"handle\\": \\"bob.{HOSTNAME}\\", \\"email\\": \\"bob@example.com\\",
          \\"password\\": \\"correct horse\\",
          \\"inviteCode\\": \\"$CODE\\"}}"
        """,
        {"ADMIN_TOKEN": deployment.token},
    )
    assert made.returncode == 0, made.stderr
    deployment.host.add_name(f"bob.{HOSTNAME}")
    answer: dict[str, str] = json.loads(made.stdout)
    return answer


def hurl(deployment: Deployment, suite: Path | str, **variables: str) -> None:
    """Run a suite with the guide's command line."""
    given = [word for name, value in variables.items() for word in ("--variable", f"{name}={value}")]
    command = [str(require_hurl()), "--test", "--jobs", "1", "--no-color", "--error-format=long", *given, str(suite)]
    done = deployment.host.run(*command, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_smoke_suite_of_a_deployment(deployment: Deployment) -> None:
    hurl(deployment, "tests/smoke/deployment.hurl", base_url=URL, admin_token=deployment.token)


def test_the_suites_are_found_where_the_first_guide_had_them() -> None:
    """`test/smoke` leads to `tests/smoke`."""
    assert (ROOT / "test" / "smoke").resolve() == SMOKE.resolve()


def test_relays_are_asked_at_start(deployment: Deployment) -> None:
    """By the server itself: both of TEMPEST_CRAWLERS, and they find it under its name."""
    done = deployment.sh(f"until [ $(grep -c ' {HOSTNAME}$' {deployment.crawls}) -ge 2 ]; do sleep 0.1; done")
    assert done.returncode == 0
    assert {line.split()[0] for line in deployment.crawls.read_text().splitlines()} == set(RELAYS)


def test_the_smoke_suite_of_the_crawlers(deployment: Deployment, account: dict[str, str]) -> None:
    before = deployment.crawls.read_text().count("\n")
    hurl(deployment, "tests/smoke/deployed/crawlers.hurl", base_url=URL, crawler_hostname=HOSTNAME)
    assert deployment.crawls.read_text().count("\n") >= before + len(RELAYS)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.stem)
def test_the_compatibility_profile_passes_through_the_proxy(deployment: Deployment, suite: Path) -> None:
    hurl(deployment, suite, base_url=URL, admin_token=deployment.token)


def test_a_suite_fails_where_the_answer_is_not_what_it_should_be(deployment: Deployment) -> None:
    """The wrong token: the suite of a deployment does look."""
    with pytest.raises(AssertionError, match="Assert status code"):
        hurl(deployment, "tests/smoke/deployment.hurl", base_url=URL, admin_token="another")


def test_a_handle_has_its_own_certificate(deployment: Deployment, account: dict[str, str]) -> None:
    """Caddy asks `/tls-check`, and gets one when the first visitor comes."""
    done = deployment.sh(f"curl -fsS https://bob.{HOSTNAME}/.well-known/atproto-did")
    assert (done.returncode, done.stdout) == (0, account["did"])


def test_a_name_of_nobody_gets_no_certificate(deployment: Deployment) -> None:
    deployment.host.add_name(f"nobody.{HOSTNAME}")
    done = deployment.sh(f"curl -fsS https://nobody.{HOSTNAME}/.well-known/atproto-did")
    assert done.returncode == 35, done.stderr  # the handshake fails


def test_the_public_directory_leads_back_to_the_server(deployment: Deployment, account: dict[str, str]) -> None:
    done = deployment.sh(f"curl -fsS https://plc.directory/{account['did']}")
    document = json.loads(done.stdout)
    assert document["alsoKnownAs"] == [f"at://bob.{HOSTNAME}"]
    assert [(service["id"], service["serviceEndpoint"]) for service in document["service"]] == [("#atproto_pds", URL)]


def test_the_firehose_upgrades_over_https(deployment: Deployment, account: dict[str, str], tmp_path: Path) -> None:
    """With websocat: frame after frame comes out as it went in."""
    firehose = f"wss://{HOSTNAME}/xrpc/com.atproto.sync.subscribeRepos?cursor=0"
    stream = BytesIO(deployment.received(f"websocat --binary '{firehose}'", tmp_path))
    frames = [(cbor2.load(stream), cbor2.load(stream)) for _ in range(3)]
    assert [header["t"] for header, _ in frames] == ["#identity", "#account", "#commit"]
    assert [event["seq"] for _, event in frames] == [1, 2, 3]


def test_http_is_sent_to_https(deployment: Deployment) -> None:
    done = deployment.sh(f"curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://{HOSTNAME}/xrpc/_health")
    assert re.fullmatch(rf"308 https://{re.escape(HOSTNAME)}/xrpc/_health", done.stdout), done.stderr
