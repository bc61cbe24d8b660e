"""The owner's operations on his DID: on both servers, in a real PLC directory, with codes that come by mail."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, sign_up
from tests.support.frames import Subscription
from tests.support.node import Node
from tests.support.plc_host import IDENTITY, OPERATOR_KEY, ROTATION_KEY, SERVER, Host, ask, send
from tests.support.reference import ReferencePds

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.plc_operation import sign, tombstone, update


@pytest.fixture(params=["reference_host", "tempest_host"])
def host(request: pytest.FixtureRequest) -> Host:
    found: Host = request.getfixturevalue(request.param)
    return found


# With the official client


def run_client(node: Node, host: Host, account: Account, *more: str) -> list[str]:
    """Run the scenario, give it the code that it asks for, and return what failed."""
    script = Path(__file__).parent / "plc_client.mjs"
    child = node.start(script, host.server.url, host.plc.url, account.handle, account.password, *more)
    assert child.stdin is not None
    assert child.stdout is not None
    checks = []
    with child:
        for line in child.stdout:
            said = json.loads(line)
            if "wants" in said:
                child.stdin.write(host.mailed(account).encode() + b"\n")
                child.stdin.flush()
            else:
                checks.append(said)
    assert len(checks) == 5
    return [f"{check['check']}: {check['error']}" for check in checks if check["error"]]


def test_an_owner_takes_a_key_of_his_own_into_his_did(node: Node, host: Host) -> None:
    account = sign_up(host.server, "owner")
    time.sleep(1.5 if isinstance(host.server, ReferencePds) else 0)  # it asks its database once a second what is new
    with Subscription(host.server) as live:
        failed = run_client(node, host, account)
        assert not failed, "\n".join(failed)
        told = live.take(2)
    assert [(frame.kind, frame.body["did"]) for frame in told] == [("#identity", account.did)] * 2


def test_an_owner_who_drops_the_servers_key_himself_stays_here(node: Node, tempest_host: Host) -> None:
    account = sign_up(tempest_host.server, "alone")
    failed = run_client(node, tempest_host, account, "alone")
    assert not failed, "\n".join(failed)
    assert len(tempest_host.last(account.did)["rotationKeys"]) == 1
    account.procedure(f"{SERVER}.deactivateAccount")
    assert ask(account, f"{SERVER}.activateAccount")[0] == 200
    assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is True
    account.post("on my own")


# What is refused, by both alike


Body = Callable[[Host, Account], dict[str, Any]]
SIGN, SUBMIT, ASK = "signPlcOperation", "submitPlcOperation", "requestPlcOperationSignature"


def changed(signer: PrivateKey = ROTATION_KEY, **changes: Any) -> Body:
    """Return the body of submitPlcOperation for the account's last operation with these changes, signed."""

    def body(host: Host, account: Account) -> dict[str, Any]:
        return {"operation": update(host.last(account.did), signer, **changes)}

    return body


def ended(host: Host, account: Account) -> dict[str, Any]:
    return {"operation": tombstone(host.last(account.did), ROTATION_KEY)}


def misplaced(host: Host, account: Account) -> dict[str, Any]:
    unknown = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
    return {"operation": sign({**host.last(account.did), "prev": unknown}, ROTATION_KEY)}


def plain(**given: Any) -> Body:
    return lambda host, account: given


REFUSALS: dict[str, tuple[str, str, Body | None]] = {
    "sign without a session": ("", SIGN, plain(token="AAAAA-AAAAA")),
    "sign with an app password": ("app", SIGN, plain(token="AAAAA-AAAAA")),
    "sign without a code": ("full", SIGN, plain()),
    "sign with an empty code": ("full", SIGN, plain(token="")),
    "sign with a wrong code": ("full", SIGN, plain(token="AAAAA-AAAAA")),
    "sign with keys that are no list": ("full", SIGN, plain(token="x", rotationKeys="did:key:z")),
    "sign with services that are no object": ("full", SIGN, plain(token="x", services=[])),
    "ask for a code without a session": ("", ASK, None),
    "ask for a code with an app password": ("app", ASK, None),
    "submit without a session": ("", SUBMIT, changed()),
    "submit nothing": ("full", SUBMIT, plain()),
    "submit what is no object": ("full", SUBMIT, plain(operation="x")),
    "submit what is no operation": ("full", SUBMIT, plain(operation={"type": "plc_operation"})),
    "submit the end of the DID": ("full", SUBMIT, ended),
    "drop the key of the server": ("full", SUBMIT, changed(rotation_keys=[OPERATOR_KEY])),
    "have no server": ("full", SUBMIT, changed(services={})),
    "have another kind of server": (
        "full",
        SUBMIT,
        changed(services={"atproto_pds": {"type": "Other", "endpoint": "https://other.test"}}),
    ),
    "have another server": ("full", SUBMIT, changed(pds_url="https://other.test")),
    "have another signing key": ("full", SUBMIT, changed(signing_key=OPERATOR_KEY)),
    "have no signing key": ("full", SUBMIT, changed(verification_methods={})),
    "have another handle": ("full", SUBMIT, changed(handle="other.test")),
    "have no handle": ("full", SUBMIT, changed(also_known_as=[])),
    "submit what a stranger signed": ("full", SUBMIT, changed(generate_k256())),
    "submit out of order": ("full", SUBMIT, misplaced),
}
DIRECTORY = {"submit what a stranger signed", "submit out of order"}


def refuse_all(host: Host) -> dict[str, tuple[int, str, str]]:
    account = sign_up(host.server, "refused")
    password = account.procedure(f"{SERVER}.createAppPassword", name="app")["password"]
    session = account.procedure(f"{SERVER}.createSession", identifier=account.handle, password=password)
    tokens = {"full": account.access, "app": session["accessJwt"]}
    before = host.last(account.did)
    answers = {}
    for name, (auth, method, body) in REFUSALS.items():
        given = None if body is None else body(host, account)
        status, answer = send(f"{host.server.url}/xrpc/{IDENTITY}.{method}", given, tokens.get(auth, ""))
        assert isinstance(answer, dict), f"{name}: {status} {answer}"
        answers[name] = (status, answer["error"], answer["message"])
    assert host.last(account.did) == before
    return answers


@pytest.fixture(scope="module")
def refusals(reference_host: Host, tempest_host: Host) -> tuple[dict[str, Any], dict[str, Any]]:
    return refuse_all(reference_host), refuse_all(tempest_host)


@pytest.mark.parametrize("name", REFUSALS)
def test_both_servers_refuse_alike(name: str, refusals: tuple[dict[str, Any], dict[str, Any]]) -> None:
    theirs, ours = refusals[0][name], refusals[1][name]
    assert ours[:2] == theirs[:2], (ours, theirs)
    if REFUSALS[name][1] == SUBMIT and REFUSALS[name][0] == "full" and theirs[2].startswith(("Incorrect", "Rotation")):
        assert ours[2].startswith(theirs[2])
    if name in DIRECTORY:
        assert ours[2][:17] == theirs[2][:17] != "", "in the words of the directory"
