"""A PLC directory that is down, broken, unwilling, or not heard: nothing is lost, and nothing half done."""

import secrets
from typing import Any

import pytest
from tests.support.account import sign_up
from tests.support.frames import Subscription
from tests.support.plc_host import IDENTITY, SERVER, Host, ask, send
from tests.support.troubled_directory import Trouble, TroubledDirectory


def sign_up_as(host: Host, handle: str) -> tuple[int, Any]:
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": "long enough"}
    return send(f"{host.server.url}/xrpc/{SERVER}.createAccount", given)


READS = [Trouble.DOWN, Trouble.FAILS, Trouble.RUBBISH]


@pytest.mark.parametrize("trouble", READS)
def test_a_directory_that_cannot_be_read_leaves_everything_as_it_was(
    tempest_host: Host, plc_front: TroubledDirectory, trouble: Trouble
) -> None:
    account = sign_up(tempest_host.server, "read")
    before = tempest_host.last(account.did)
    renamed = f"{secrets.token_hex(4)}.test"
    code = tempest_host.code(account)
    account.procedure(f"{SERVER}.deactivateAccount")
    steps = {
        f"{IDENTITY}.updateHandle": {"handle": renamed},
        f"{IDENTITY}.signPlcOperation": {"token": code},
        f"{SERVER}.activateAccount": None,
    }
    with plc_front.in_trouble(trouble):
        for nsid, body in steps.items():
            assert ask(account, nsid, body) == (502, "UpstreamFailure"), nsid
        assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is False
    assert tempest_host.last(account.did) == before
    for nsid, body in steps.items():
        assert ask(account, nsid, body) == (200, ""), nsid


@pytest.mark.parametrize("trouble", [Trouble.DOWN, Trouble.FAILS, Trouble.REFUSES])
def test_a_directory_that_takes_nothing_leaves_everything_as_it_was(
    tempest_host: Host, plc_front: TroubledDirectory, trouble: Trouble
) -> None:
    account, handle = sign_up(tempest_host.server, "write"), f"{secrets.token_hex(4)}.test"
    operation = tempest_host.signed(account)
    refused = (400, "InvalidRequest") if trouble is Trouble.REFUSES else (502, "UpstreamFailure")
    with plc_front.in_trouble(trouble):
        status, answer = sign_up_as(tempest_host, handle)
        assert (status, answer["error"]) == (502, "UpstreamFailure")
        assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": operation}) == refused
    assert tempest_host.last(account.did) != operation
    assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": operation}) == (200, "")
    assert sign_up_as(tempest_host, handle)[0] == 200


def test_what_the_directory_took_was_taken_although_its_answer_was_lost(
    tempest_host: Host, plc_front: TroubledDirectory
) -> None:
    account, handle = sign_up(tempest_host.server, "lost"), f"{secrets.token_hex(4)}.test"
    operation = tempest_host.signed(account)
    with Subscription(tempest_host.server) as live, plc_front.in_trouble(Trouble.LOSES_ANSWERS):
        assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": operation}) == (200, "")
        assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": operation}) == (200, "")
        assert [frame.kind for frame in live.take(2)] == ["#identity"] * 2
        renamed = f"{secrets.token_hex(4)}.test"
        assert ask(account, f"{IDENTITY}.updateHandle", {"handle": renamed}) == (200, "")
        status, made = sign_up_as(tempest_host, handle)
    assert status == 200
    assert tempest_host.last(account.did)["alsoKnownAs"] == [f"at://{renamed}"]
    assert tempest_host.last(made["did"])["alsoKnownAs"] == [f"at://{handle}"]


@pytest.mark.long
def test_a_directory_that_does_not_answer_is_given_up_in_time(tempest_host: Host, plc_front: TroubledDirectory) -> None:
    account = sign_up(tempest_host.server, "slow")
    code = tempest_host.code(account)
    with plc_front.in_trouble(Trouble.HANGS):
        assert ask(account, f"{IDENTITY}.signPlcOperation", {"token": code}) == (504, "UpstreamTimeout")
    assert ask(account, f"{IDENTITY}.signPlcOperation", {"token": code}) == (200, "")
