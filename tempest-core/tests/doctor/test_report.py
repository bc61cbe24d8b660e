"""The report of the doctor, and how it takes what goes wrong with itself."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import cbor2
import pytest
from click.testing import CliRunner

from tempest_pds.cli.doctor_command import doctor
from tempest_pds.doctor.check import Check, Result, run_checks
from tempest_pds.doctor.deployment import Deployment, Options
from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, Status, failure, ok, warning
from tempest_pds.doctor.firehose_frame import FirehoseFrame, FrameError, read_frame
from tempest_pds.doctor.network import Network
from tempest_pds.doctor.report import failed, lines
from tempest_pds.doctor.table import CHECKS
from tempest_pds.plugins import PluginManager


def test_a_result_is_a_line() -> None:
    written = lines([Result("dns", [ok("all well")]), Result("websocket", [failure("no upgrade", "let it")])])
    assert written == [
        "ok       dns        all well",
        "failure  websocket  no upgrade. Cure: let it",
        "",
        "1 ok, 0 warnings, 1 failure",
    ]


def test_what_others_say_moves_no_cursor() -> None:
    assert lines([Result("relays", [ok("one\ntwo\x1b[2Jthree\u202e")])])[0] == "ok       relays  one two [2Jthree "


def test_only_a_failure_fails() -> None:
    assert not failed([Result("mail", [warning("none", "make one")])])
    assert failed([Result("mail", [ok("good"), failure("bad", "mend it")])])


def examination(seconds: float) -> Examination:
    deployment = Deployment.of_url("https://pds.example.com", {})
    network = Network(nameservers=(), own_names=["pds.example.com"], connect_to={}, ca_file=None)
    return Examination(deployment, Options(seconds=seconds), network, PluginManager([]))


async def fine(_: Examination) -> list[Finding]:
    return [ok("fine")]


async def broken(_: Examination) -> NoReturn:
    raise LookupError("a slip")


async def endless(_: Examination) -> list[Finding]:
    await asyncio.Event().wait()
    return []


async def test_a_check_that_fails_or_hangs_takes_no_other_with_it() -> None:
    checks = [Check("endless", "", endless), Check("broken", "", broken), Check("fine", "", fine)]
    results = await run_checks(checks, examination(seconds=0.05))
    found = [(result.check, result.findings[0].status, result.findings[0].detail) for result in results]
    assert found == [
        ("endless", Status.FAILURE, "not done within 0.05 s"),
        ("broken", Status.FAILURE, "the check itself failed: LookupError: a slip"),
        ("fine", Status.OK, "fine"),
    ]


async def test_what_needs_the_server_s_machine_is_skipped_elsewhere() -> None:
    ((skipped,),) = [
        result.findings for result in await run_checks([Check("x", "", broken, inside=True)], examination(1))
    ]
    assert skipped.status is Status.SKIPPED


def test_the_help_tells_every_check() -> None:
    text = " ".join(CliRunner().invoke(doctor, ["--help"]).output.split())
    for check in CHECKS:
        assert f"{check.name} ({check.summary})" in text


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--only", "luck"], "'luck' is not one of"),
        (["--connect-to", "8443"], "not of the form 443=127.0.0.1:8443"),
        (["--nameserver", "1.1.1.1:dns"], "no address with a port"),
        (["--accounts", "0"], "0 is not in the range"),
        (["--ca-file", "/nowhere.pem"], "does not exist"),
    ],
)
def test_an_option_that_makes_no_sense(arguments: list[str], wanted: str) -> None:
    done = CliRunner().invoke(doctor, arguments)
    assert done.exit_code == 2
    assert wanted in done.output


@pytest.mark.parametrize("url", ["ftp://pds.example.com", "https://pds.example.com/path", "https://"])
def test_a_url_that_is_no_server_s(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an operator's mistake: one line, and 2."""
    from tempest_pds.cli.main import main

    monkeypatch.setattr("sys.argv", ["tempest", "doctor", "--url", url])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == "tempest: --url must be the public URL of a server, such as https://pds.example.com\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.1.1.1", ("1.1.1.1", 53)),
        ("1.1.1.1:5353", ("1.1.1.1", 5353)),
        ("2606:4700::1111", ("2606:4700::1111", 53)),
        ("[2606:4700::1111]:5353", ("2606:4700::1111", 5353)),
    ],
)
def test_an_address_with_or_without_a_port(text: str, address: tuple[str, int]) -> None:
    from tempest_pds.cli.doctor_command import _Address

    assert _Address(53).convert(text, None, None) == address


@pytest.mark.parametrize(
    ("header", "body", "frame"),
    [
        ({"op": 1, "t": "#commit"}, {"seq": 7}, FirehoseFrame("#commit", is_error=False, seq=7)),
        ({"op": 1, "t": "#info"}, {"name": "OutdatedCursor"}, FirehoseFrame("#info", is_error=False, seq=None)),
        ({"op": -1}, {"error": "FutureCursor"}, FirehoseFrame("FutureCursor", is_error=True, seq=None)),
    ],
)
def test_a_frame_of_the_firehose(header: Any, body: Any, frame: FirehoseFrame) -> None:
    assert read_frame(cbor2.dumps(header) + cbor2.dumps(body)) == frame


@pytest.mark.parametrize("data", ["text", b"", b"\xff", cbor2.dumps({"op": 1}), cbor2.dumps(1) + cbor2.dumps(2)])
def test_what_is_no_frame(data: bytes | str) -> None:
    with pytest.raises(FrameError):
        read_frame(data)


def test_another_machine_needs_no_setting(tmp_path: Path) -> None:
    """It takes those that the environment has of other services, and no more."""
    deployment = Deployment.of_url("https://pds.example.com/", {"TEMPEST_CRAWLERS": "relay.example.com,"})
    assert deployment.public_url == "https://pds.example.com"
    assert deployment.crawlers == ("https://relay.example.com",)
    assert Deployment.of_url("https://pds.example.com", {"TEMPEST_CRAWLERS": "none"}).crawlers == ()
    assert deployment.plc_url == "https://plc.directory"
