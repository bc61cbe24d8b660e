"""What an operator is told to act on."""

from typing import Any

import pytest

from tempest_pds.services.status_problems import Circumstances, problems_of

PUBLIC: dict[str, Any] = {
    "is_local": False,
    "has_plc_directory": True,
    "mailer": "smtp",
    "rate_limits_enabled": True,
    "ssrf_protection": True,
}
ACCEPTED = {"url": "https://relay.example", "state": "accepted", "askedAt": None, "reason": None}


def problems(circumstances: dict[str, Any] | None = None, **parts: Any) -> list[str]:
    report = {
        "publicUrl": "https://pds.example.com",
        "uptimeSeconds": 86_400,
        "accounts": {"active": 3},
        "repositories": {"notWritable": []},
        "firehose": {"subscribers": 1},
        "storage": {"diskFreeBytes": 50 * 10**9, "diskTotalBytes": 100 * 10**9},
        "relays": [ACCEPTED],
        "backups": {},
        "mail": {},
    }
    return problems_of(report | parts, Circumstances(**(PUBLIC | (circumstances or {}))))


def test_a_sound_server_has_none() -> None:
    assert problems() == []


def test_to_have_no_relay_is_a_choice() -> None:
    assert problems(relays=[], firehose={"subscribers": 0}) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"storage": {"diskFreeBytes": 9, "diskTotalBytes": 100}}, "nearly full"),
        ({"storage": {"diskFreeBytes": 9 * 10**9, "diskTotalBytes": 100 * 10**9}}, "9.0 GB of 100.0 GB"),
        ({"repositories": {"notWritable": ["did:plc:a", "did:plc:b"]}}, "did:plc:a, did:plc:b. See"),
        ({"repositories": {"notWritable": ["a", "b", "c", "d", "e"]}}, "a, b, c and 2 more"),
        ({"relays": [ACCEPTED | {"state": "refused", "reason": "429 too many"}]}, "refuses to crawl this server: 429"),
        ({"relays": [ACCEPTED | {"state": "unreachable", "reason": None}]}, "https://relay.example failed."),
        ({"firehose": {"subscribers": 0}}, "https://pds.example.com/xrpc/com.atproto.sync"),
        ({"backups": None}, "No backups are configured"),
        ({"backups": {"problems": ["The newest backup is 3 days old."]}}, "The newest backup is 3 days old."),
        ({"mail": {"problems": ["20 mails wait."]}}, "20 mails wait."),
    ],
)
def test_a_part_that_is_not_sound_is_told(parts: dict[str, Any], said: str) -> None:
    [line] = problems(**parts)
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("circumstances", "said"),
    [
        ({"has_plc_directory": False}, "TEMPEST_PLC_URL"),
        ({"mailer": "log"}, "TEMPEST_SMTP_ENABLED"),
        ({"rate_limits_enabled": False}, "TEMPEST_RATE_LIMITS_ENABLED=true"),
        ({"ssrf_protection": False}, "TEMPEST_SSRF_PROTECTION=true"),
    ],
)
def test_settings_that_do_not_fit_a_public_server_are_told(circumstances: dict[str, Any], said: str) -> None:
    [line] = problems(circumstances)
    assert said in line


def test_nothing_is_asked_of_a_server_on_localhost_but_a_plc_directory() -> None:
    local = {**dict.fromkeys(PUBLIC, False), "is_local": True, "mailer": "log"}
    [line] = problems(local, relays=[], backups=None, mail=None, firehose={"subscribers": 0})
    assert "ledger" in line


def test_a_server_just_started_or_without_accounts_may_have_no_reader() -> None:
    assert problems(firehose={"subscribers": 0}, uptimeSeconds=60) == []
    assert problems(firehose={"subscribers": 0}, accounts={"active": 0}) == []


def test_storage_that_is_not_measured_yet_is_no_problem() -> None:
    assert problems(storage=None) == []
