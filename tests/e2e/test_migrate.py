"""`tempest migrate` between a real reference server and Tempest, with a real PLC directory and mail server."""

import json
import os
import re
import secrets
import signal
import stat
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, sign_up
from tests.support.command import TEMPEST
from tests.support.command import command as operate
from tests.support.intercepting_proxy import Dropped, Exchange, Hook, InterceptingProxy
from tests.support.movers import NEW_PASSWORD, activate, command, finish, furnish, key_file, move, owner_of, show
from tests.support.node import Node
from tests.support.plc_host import send
from tests.support.process import json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest
from tests.support.smtp_server import Received, SmtpServer
from tests.support.terminal import Terminal

from tempest_pds.migration.errors import MigrationError, NotNow, Undone
from tempest_pds.migration.plan import Plan
from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256, private_key
from tempest_pds.protocol.identity.did_document import format_did_document
from tempest_pds.protocol.identity.plc_operation import tombstone, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.key_files import KeyFiles

SERVER = "com.atproto.server"
ROTATION_KEY = "21" * 32
"""The old server's rotation key, which the tests have as well: an owner with a key of the DID."""
LOGGING_IN = {f"{SERVER}.createSession", f"{SERVER}.refreshSession"}


@dataclass
class Ways:
    """The servers to move between; what goes to either passes a proxy."""

    old: InterceptingProxy
    old_server: ReferencePds
    new: InterceptingProxy
    new_server: Tempest
    plc: PlcDirectory
    mails: SmtpServer

    def reset(self) -> None:
        self.old.reset()
        self.new.reset()

    def plan(self, account: Account, state: Path, **more: Any) -> Plan:
        given = {"source": self.old.url, "plc_url": self.plc.url, "state": state, "retry_seconds": 0.0, **more}
        return Plan(account=account.did, target=self.new.url, **given)

    def arguments(self, account: Account, state: Path) -> list[str]:
        return [
            *(account.did, self.new.url, "--source", self.old.url, "--plc-url", self.plc.url),
            *("--state", str(state), "--retry", "0"),
        ]

    def mailed_code(self, account: Account, number: int) -> str:
        """Give the code in the so-manieth mail to an account."""
        address = f"{account.handle}@mail.test"

        def of_account(mails: list[Received]) -> list[str]:
            return [mail.text for mail in mails if address in mail.recipients]

        mails = self.mails.wait_until(lambda mails: len(of_account(mails)) >= number)
        match = re.search(r"[A-Z0-9]{5}-[A-Z0-9]{5}", of_account(mails)[number - 1])
        assert match is not None
        return match[0]

    def document(self, account: Account) -> dict[str, Any]:
        status, document = json_request(f"{self.plc.url}/{account.did}")
        assert status == 200
        assert isinstance(document, dict)
        return document

    def points_at_new(self, account: Account) -> bool:
        return bool(self.document(account)["service"][0]["serviceEndpoint"] == self.new.url)

    def at_new(self, account: Account) -> Account:
        given = {"identifier": account.did, "password": NEW_PASSWORD}
        status, session = json_request(f"{self.new_server.url}/xrpc/{SERVER}.createSession", given)
        assert status == 200
        assert isinstance(session, dict)
        return Account(
            self.new_server, account.did, session["handle"], NEW_PASSWORD, session["accessJwt"], session["refreshJwt"]
        )

    def is_at_new(self, account: Account) -> bool:
        status, _ = json_request(f"{self.new_server.url}/xrpc/com.atproto.sync.getRepoStatus?did={account.did}")
        return status == 200


@pytest.fixture(scope="module")
def running_ways(node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    with SmtpServer() as mails, InterceptingProxy() as old, InterceptingProxy() as new:
        reference = ReferencePds(
            node,
            folder / "old",
            plc.url,
            PDS_EMAIL_SMTP_URL=f"smtp://localhost:{mails.port}",
            PDS_EMAIL_FROM_ADDRESS="pds@example.com",
            PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX=ROTATION_KEY,
        )
        tempest = Tempest(
            folder / "new",
            plc.url,
            TEMPEST_PUBLIC_URL=new.url,
            TEMPEST_BLOB_MAX_BYTES="100000",
            TEMPEST_SSRF_PROTECTION="false",
        )
        with reference, tempest:
            old.upstream, new.upstream = reference.url, tempest.url
            yield Ways(old, reference, new, tempest, plc, mails)


@pytest.fixture
def ways(running_ways: Ways) -> Ways:
    running_ways.reset()
    return running_ways


def own_key() -> PrivateKey:
    return private_key(bytes.fromhex(ROTATION_KEY))


def test_an_account_moves_by_a_mailed_code(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "mover")
    cids = furnish(account)
    state = tmp_path / "state"
    before = account.query(f"{SERVER}.checkAccountStatus")
    looked = move(account, ways.plan(account, state, dry_run=True))
    assert "3 records in" in looked.text
    assert looked.said[-1] == "Nothing was changed."
    assert set(ways.old.procedures + ways.new.procedures) <= LOGGING_IN
    assert account.query(f"{SERVER}.checkAccountStatus") == before
    assert not state.exists()
    assert not ways.is_at_new(account)

    with pytest.raises(NotNow, match="--plc-token CODE"):
        move(account, ways.plan(account, state))
    assert not ways.points_at_new(account)
    with Terminal([*TEMPEST, "migrate", *ways.arguments(account, state), "--deep"], dict(os.environ)) as terminal:
        terminal.answer("password at the source:", account.password)
        terminal.answer("password at the target:", NEW_PASSWORD)
        terminal.answer("Move the account? [y/N]:", "y")
        terminal.answer("The code:", "AAAAA-BBBBB")
        terminal.wait_for("does not take that code")
        terminal.answer("The code:", ways.mailed_code(account, number=3))
        terminal.answer("Deactivate the account at the source?", "y")
        assert terminal.finish() == 0, terminal.seen
    assert "3 records, the same on both sides" in terminal.seen
    assert "2 blobs at the target, each read back" in terminal.seen
    assert account.password not in terminal.seen

    new = ways.at_new(account)
    status = new.query(f"{SERVER}.checkAccountStatus")
    assert (status["activated"], status["validDid"], status["importedBlobs"]) == (True, True, len(cids))
    preferences = "app.bsky.actor.getPreferences"
    assert new.query(preferences) == account.query(preferences)
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False
    assert ways.points_at_new(account)
    report = json.loads((state / "report.json").read_text())
    assert report["ok"] is True
    written = (state / "state.json").read_text()
    for secret in (NEW_PASSWORD, account.password, "eyJ"):
        assert secret not in written
    assert {stat.S_IMODE((state / name).stat().st_mode) for name in ("state.json", "report.json")} == {0o600}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


STEPS = [
    ("old", "com.atproto.sync.getRepo"),
    ("new", f"{SERVER}.createAccount"),
    ("new", "com.atproto.repo.importRepo"),
    ("new", "com.atproto.repo.uploadBlob"),
    ("new", "app.bsky.actor.putPreferences"),
    ("new", "com.atproto.identity.submitPlcOperation"),
    ("new", f"{SERVER}.activateAccount"),
    ("new", "com.atproto.sync.getRepo"),
    ("old", f"{SERVER}.deactivateAccount"),
]
INTERRUPTED_AT = "com.atproto.repo.uploadBlob"
"""By Ctrl-C; everywhere else the command is killed."""


@pytest.mark.parametrize(
    "steps", [STEPS[1:6:2], pytest.param(STEPS, marks=pytest.mark.long)], ids=["some", "every one"]
)
def test_a_move_that_is_killed_at_a_step_goes_on(ways: Ways, tmp_path: Path, steps: list[tuple[str, str]]) -> None:
    """The server does what it was asked for, and the command dies before it hears so."""
    account = sign_up(ways.old_server, "killed")
    furnish(account)
    arguments = [*ways.arguments(account, tmp_path / "state"), "--yes", "--plc-rotation-key"]
    arguments.append(str(key_file(tmp_path, ROTATION_KEY)))
    for side, nsid in steps:
        ways.reset()
        proxy = ways.old if side == "old" else ways.new
        child = command(account, *arguments)
        proxy.hooks[nsid] = stopper(child)
        _, told = child.communicate(timeout=60)
        if nsid == INTERRUPTED_AT:
            assert (child.returncode, told) == (130, "tempest: stopped; the same command goes on from here\n")
        else:
            assert child.returncode == -signal.SIGKILL, (nsid, told)
    ways.reset()
    told, _ = finish(command(account, *arguments, "--deep"))
    assert "failure" not in told
    assert "3 records, the same on both sides" in told
    assert "com.atproto.repo.importRepo" not in ways.new.procedures, "done again"
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["importedBlobs"] == 2
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False


def stopper(child: "subprocess.Popen[str]") -> Hook:
    stopped = threading.Event()

    def stop(exchange: Exchange) -> None:
        # Several blobs go out at once, and a person presses once.
        if not stopped.is_set():
            stopped.set()
            child.send_signal(signal.SIGINT if exchange.nsid == INTERRUPTED_AT else signal.SIGKILL)
            child.wait(30)
        raise Dropped

    return stop


def test_a_source_that_dies_after_the_did_was_changed_is_needed_no_more(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "widow")
    furnish(account)
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key())

    def die(exchange: Exchange) -> None:
        ways.old.upstream = "http://localhost:1"

    ways.new.hooks["com.atproto.identity.submitPlcOperation"] = die
    try:
        first = move(account, plan)
        assert "could not be deactivated" in first.text
        second = move(account, plan)
    finally:
        ways.old.upstream = ways.old_server.url
    assert "needed no more" in second.text
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
    move(account, plan)
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False


def test_an_account_whose_server_is_gone_moves_by_its_owner_s_key(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "orphan")
    cids = furnish(account)
    car, blobs = tmp_path / "repo.car", tmp_path / "blobs"
    blobs.mkdir()
    sync = f"{ways.old_server.url}/xrpc/com.atproto.sync"
    urllib.request.urlretrieve(f"{sync}.getRepo?did={account.did}", car)
    urllib.request.urlretrieve(f"{sync}.getBlob?did={account.did}&cid={cids[0]}", blobs / cids[0])
    plan = ways.plan(
        account,
        tmp_path / "state",
        source=None,
        car=car,
        blobs=blobs,
        rotation_key=own_key(),
        email="orphan@mail.test",
        handle=f"x{account.handle}",
    )

    def lose(exchange: Exchange) -> None:
        """Have the target miss a blob that it was given."""
        blob = {"cid": cids[0], "recordUri": f"at://{account.did}/app.bsky.feed.post/lost"}
        exchange.answer = json.dumps({"blobs": [blob]}).encode()

    def then_lose(exchange: Exchange) -> None:
        ways.new.hooks["com.atproto.repo.listMissingBlobs"] = lose

    ways.new.hooks[f"{SERVER}.activateAccount"] = then_lose
    owner = owner_of(account)
    with pytest.raises(Undone, match="the target is not as the source"):
        move(account, plan, owner)
    assert f"{cids[1]} (at://" in owner.text, "the blob that nobody has"
    assert f"1 blob missing at the target: {cids[0]}" in owner.text
    ways.new.reset()
    owner = move(account, plan)
    assert "3 records, the same on both sides" in owner.text
    new = ways.at_new(account)
    state = new.query(f"{SERVER}.checkAccountStatus")
    assert (state["activated"], state["validDid"], state["importedBlobs"]) == (True, True, 1)
    assert ways.old.asked == []
    assert not (tmp_path / "state" / "signing.key").exists()


def test_a_source_that_does_not_let_go_is_passed_over_by_its_owner_s_key(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "held")
    furnish(account)
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key(), handle=f"x{account.handle}")

    def refuse(exchange: Exchange) -> None:
        exchange.refuse(400, "InvalidRequest", "You cannot leave")

    ways.old.instead[f"{SERVER}.getServiceAuth"] = refuse
    with pytest.raises(MigrationError, match=r"You cannot leave.*--car"):
        move(account, plan)
    car = tmp_path / "repo.car"
    urllib.request.urlretrieve(f"{ways.old_server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}", car)
    owner = owner_of(account)
    # The password is lost, too: nobody is asked for it.
    del owner.passwords["source"]
    move(account, replace(plan, source=None, car=car, email=f"{account.handle}@mail.test"), owner)
    assert "3 records, the same on both sides" in owner.text
    assert ways.points_at_new(account)


def test_who_could_undo_a_move_is_named(ways: Ways, tmp_path: Path) -> None:
    account, own = sign_up(ways.old_server, "weak"), generate_k256()
    _, last = json_request(f"{ways.plc.url}/{account.did}/log/last")
    assert isinstance(last, dict)
    keys = [own_key().public.did_key, own.public.did_key]
    assert send(f"{ways.plc.url}/{account.did}", update(last, own_key(), rotation_keys=keys))[0] == 200
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own, dry_run=True))
    assert f"{keys[0]} (the source's, above yours): who has it may undo the move within 72 hours" in owner.text
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), dry_run=True))
    assert "72 hours" not in owner.text


@pytest.mark.parametrize("ended", [False, True], ids=["taken away", "ended"])
def test_what_was_done_to_a_did_behind_its_owner_s_back_is_undone(ways: Ways, tmp_path: Path, ended: bool) -> None:
    account, own = sign_up(ways.old_server, "robbed"), generate_k256()
    furnish(account)
    car = tmp_path / "repo.car"
    urllib.request.urlretrieve(f"{ways.old_server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}", car)
    _, last = json_request(f"{ways.plc.url}/{account.did}/log/last")
    assert isinstance(last, dict)
    theirs = own_key().public.did_key
    both = update(last, own_key(), rotation_keys=[own.public.did_key, theirs])
    taken = update(both, own_key(), rotation_keys=[theirs], handle="taken.test")
    for operation in (both, tombstone(both, own_key()) if ended else taken):
        assert send(f"{ways.plc.url}/{account.did}", operation)[0] == 200
    given = {"source": None, "car": car, "email": f"{account.handle}@mail.test", "handle": f"x{account.handle}"}
    plan = ways.plan(account, tmp_path / "state", **given)
    with pytest.raises(MigrationError, match="has ended for good" if ended else "is no rotation key of the DID"):
        move(account, replace(plan, rotation_key=generate_k256()))
    owner = move(account, replace(plan, rotation_key=own))
    assert "a key below yours has changed it without yours: the move undoes that" in owner.text
    assert "3 records, the same on both sides" in owner.text
    _, data = json_request(f"{ways.plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    assert data["alsoKnownAs"] == [f"at://x{account.handle}"]
    assert data["rotationKeys"][0] == own.public.did_key
    assert theirs not in data["rotationKeys"]
    assert ways.points_at_new(account)


def test_the_owner_alone_may_keep_the_keys(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "free")
    furnish(account)
    recovery = generate_k256().public.did_key
    plan = ways.plan(
        account,
        tmp_path / "state",
        rotation_key=own_key(),
        self_custody=True,
        recovery_keys=(recovery,),
        keep_source=True,
        handle=f"x{account.handle}",
    )
    move(account, plan)
    _, data = json_request(f"{ways.plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    assert data["rotationKeys"] == [recovery, own_key().public.did_key]
    assert data["alsoKnownAs"] == [f"at://x{account.handle}"]
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is True, "it was to be kept"


def test_blobs_that_cannot_be_moved_are_named_and_tried_again(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "lossy")
    cids = furnish(account, blobs=3)
    show(account, bytes(200_000))
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key())

    def spoil(exchange: Exchange) -> None:
        if exchange.params["cid"] == cids[0]:
            exchange.refuse(400, "InvalidRequest", "Blob not found")
        elif exchange.params["cid"] == cids[1]:
            exchange.answer = b"damaged"

    ways.old.hooks["com.atproto.sync.getBlob"] = spoil
    owner = owner_of(account)
    owner.yes = False
    with pytest.raises(NotNow):
        move(account, plan, owner)
    assert "1 blob above the 100 kB" in owner.text
    assert f"{cids[0]} (at://" in owner.text
    assert "the source does not have it (Blob not found)" in owner.text
    assert "damaged" in owner.text
    assert "the target takes 100 kB" in owner.text
    failed = json.loads((tmp_path / "state" / "state.json").read_text())["steps"]["blobs"]["failed"]
    assert {cids[0], cids[1]} < set(failed)
    assert len(failed) == 3
    with pytest.raises(Undone, match="above"):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), strict=True))

    ways.old.reset()
    owner = move(account, replace(plan, deep=True))
    assert "2 blobs moved, 1 could not be." in owner.text
    assert "1 blob could not be moved" in owner.text
    assert "3 blobs at the target, each read back" in owner.text
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["importedBlobs"] == 3


def test_what_is_written_meanwhile_comes_along(ways: Ways, tmp_path: Path) -> None:
    """Until the very last moment: while the owner looks for the code, for instance."""
    account = sign_up(ways.old_server, "busy")
    furnish(account, blobs=1)

    def write(exchange: Exchange) -> None:
        del ways.new.hooks["com.atproto.identity.getRecommendedDidCredentials"]
        account.post("late words")

    ways.new.hooks["com.atproto.identity.getRecommendedDidCredentials"] = write
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()))
    assert "written to at the source meanwhile" in owner.text
    assert "3 records, the same on both sides" in owner.text


def test_an_old_server_that_limits_and_fails_is_waited_for(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "patient")
    cids = furnish(account)
    troubles = [(429, {"Retry_After": "1"}), (502, {}), (503, {})]

    def trouble(exchange: Exchange) -> None:
        if exchange.params["cid"] == cids[0] and troubles:
            status, headers = troubles.pop()
            exchange.refuse(status, "Trouble", **headers)

    ways.old.hooks["com.atproto.sync.getBlob"] = trouble

    def expire(exchange: Exchange) -> None:
        del ways.new.hooks[exchange.nsid]
        exchange.refuse(400, "ExpiredToken", "Token has expired")

    ways.new.hooks["com.atproto.repo.importRepo"] = expire
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), retry_seconds=30.0))
    assert "waiting 1 s as it asks" in owner.text
    assert "2 blobs at the target" in owner.text
    assert f"{SERVER}.refreshSession" in ways.new.procedures


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"passwords": {"source": "wrong"}}, "the source does not take the password"),
        ({"passwords": {"target": "short"}}, "give another password for the target"),
        ({"plc_token": "AAAAA-BBBBB", "rotation_key": None}, "the source does not take the code"),
        ({"handle": "no.such.domain.test"}, "more than one part"),
        ({"handle": "alice.example.com"}, "leads nowhere"),
        ({"handle": "not a handle"}, "is not a handle"),
        ({"target": "localhost:1"}, "the target does not answer"),
        ({"target": "ftp://pds"}, "is no address of a server"),
        ({"target": "http://1.1.1.1"}, "passwords would be read on the way: give https://1.1.1.1"),
        ({"plc_url": "http://localhost:1"}, "cannot be had"),
        ({"account": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}, "there is no did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"),
        ({"account": "nobody.test"}, "has no account nobody.test"),
        ({"rotation_key": generate_k256()}, "is no rotation key of the DID"),
        ({"recovery_keys": ("did:key:zNone",)}, "did:key:zNone is no public key"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_a_mistake_is_one_line_and_changes_nothing(
    ways: Ways, resident: Account, tmp_path: Path, change: dict[str, Any], refusal: str
) -> None:
    given = {"rotation_key": own_key(), **change}
    owner = owner_of(resident)
    owner.passwords |= given.pop("passwords", {})
    plan = replace(ways.plan(resident, tmp_path / "state"), **given)
    with pytest.raises(MigrationError, match=re.escape(refusal)) as stopped:
        move(resident, plan, owner)
    assert "\n" not in str(stopped.value)
    assert ways.document(resident)["service"][0]["serviceEndpoint"] == ways.old_server.url
    assert resident.query(f"{SERVER}.checkAccountStatus")["activated"] is True


def test_a_target_that_lost_something_leaves_the_source_active(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "wary")
    cids = furnish(account)

    def lose(exchange: Exchange) -> None:
        """Have a record go just when the account is there."""
        new = ways.at_new(account)
        records = new.query("com.atproto.repo.listRecords", repo=new.did, collection="app.bsky.feed.post")["records"]
        rkey = records[0]["uri"].rpartition("/")[2]
        new.procedure("com.atproto.repo.deleteRecord", repo=new.did, collection="app.bsky.feed.post", rkey=rkey)

    def hide(exchange: Exchange) -> None:
        exchange.answer = json.dumps({"cids": cids[1:]}).encode()

    ways.new.hooks[f"{SERVER}.activateAccount"] = lose
    ways.new.hooks["com.atproto.sync.listBlobs"] = hide
    owner = owner_of(account)
    with pytest.raises(Undone, match="the target is not as the source"):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()), owner)
    assert "2 records the same, 1 missing at the target" in owner.text
    assert f"1 blob missing at the target: {cids[0]}" in owner.text
    assert json.loads((tmp_path / "state" / "report.json").read_text())["ok"] is False
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is True


def test_a_target_with_another_directory_is_told_by_its_accounts(ways: Ways, resident: Account, tmp_path: Path) -> None:
    repo = {"did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", "head": "", "rev": "", "active": True}

    def show(exchange: Exchange) -> None:
        exchange.answer = json.dumps({"repos": [repo]}).encode()

    ways.new.hooks["com.atproto.sync.listRepos"] = show
    with pytest.raises(Undone, match="it uses another one"):
        move(resident, ways.plan(resident, tmp_path / "state", dry_run=True))


REFUSALS = {
    "com.atproto.server.describeServer": ("InvalidInviteCode", "the target wants an invite code: give one"),
    "com.atproto.server.createAccount": ("InvalidInviteCode", "give a code of the target's operator"),
    "com.atproto.repo.importRepo": ("PayloadTooLarge", "its operator can raise the limit"),
    "com.atproto.identity.submitPlcOperation": ("InvalidRequest", "the target does not take the operation"),
}


@pytest.mark.parametrize("nsid", REFUSALS)
def test_what_the_target_refuses_stops_the_move_before_the_did_is_changed(
    ways: Ways, tmp_path: Path, nsid: str
) -> None:
    account = sign_up(ways.old_server, "refused")
    error, refusal = REFUSALS[nsid]

    def refuse(exchange: Exchange) -> None:
        if exchange.method == "GET":
            exchange.answer = exchange.answer.replace(b'"inviteCodeRequired":false', b'"inviteCodeRequired":true')
        else:
            exchange.refuse(413 if error == "PayloadTooLarge" else 400, error)

    (ways.new.hooks if nsid.endswith("describeServer") else ways.new.instead)[nsid] = refuse
    with pytest.raises(MigrationError, match=re.escape(refusal)):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()))
    assert ways.document(account)["service"][0]["serviceEndpoint"] == ways.old_server.url


def test_an_account_that_was_taken_down_can_leave(ways: Ways, tmp_path: Path) -> None:
    """From Tempest: the reference server means to let it, and gives it no token."""
    account = sign_up(ways.new_server, "banned")
    furnish(account)
    operate(ways.new_server, "account", "takedown", account.did)
    key = KeyFiles(ways.new_server.folder / "keys").rotation_key()
    plan = ways.plan(account, tmp_path / "state", rotation_key=key, source=ways.new.url)
    owner = move(account, replace(plan, target=ways.old_server.url))
    assert "takendown at the source" in owner.text
    assert "3 records, the same on both sides" in owner.text
    assert "2 blobs at the target" in owner.text
    assert ways.document(account)["service"][0]["serviceEndpoint"] == ways.old_server.url


def test_a_second_factor_is_asked_for(ways: Ways, resident: Account, tmp_path: Path) -> None:
    def want_code(exchange: Exchange) -> None:
        if b'"authFactorToken": "ABCDE"' not in exchange.body:
            exchange.refuse(401, "AuthFactorTokenRequired", "A sign in code has been sent")

    ways.old.hooks[f"{SERVER}.createSession"] = want_code
    plan = ways.plan(resident, tmp_path / "state", rotation_key=own_key(), dry_run=True)
    with pytest.raises(NotNow, match="--auth-factor-token CODE"):
        move(resident, plan)
    owner = owner_of(resident)
    owner.codes = ["ABCDE"]
    move(resident, plan, owner)
    assert owner.codes == []
    move(resident, replace(plan, factor="ABCDE"))


def test_an_app_password_is_told_from_the_account_s_own(ways: Ways, resident: Account, tmp_path: Path) -> None:
    made = resident.procedure(f"{SERVER}.createAppPassword", name=tmp_path.name[:30])
    owner = owner_of(resident)
    owner.passwords["source"] = made["password"]
    with pytest.raises(MigrationError, match="app password"):
        move(resident, ways.plan(resident, tmp_path / "state", dry_run=True), owner)


def test_a_did_web_moves_once_its_owner_has_published_what_he_is_shown(ways: Ways, tmp_path: Path) -> None:
    with InterceptingProxy() as web:
        key = generate_k256()
        # In lower case throughout: the reference server folds what one logs in with.
        did = Did(f"did:web:localhost%3a{web.url.rpartition(':')[2]}")
        handle = f"web-{secrets.token_hex(3)}.test"
        labeler = ("AtprotoLabeler", "https://labeler.example.com")
        document: dict[str, Any] = format_did_document(
            did, [f"at://{handle}"], {"atproto": key.public.did_key}, {"atproto_labeler": labeler}
        )

        def show_document(exchange: Exchange) -> None:
            exchange.status, exchange.answer = 200, json.dumps(document).encode()

        web.instead["/.well-known/did.json"] = show_document
        account = bring_did(ways.old_server, did, handle, key)
        told = account.query("com.atproto.identity.getRecommendedDidCredentials")
        pds = tuple(told["services"]["atproto_pds"].values())
        document |= format_did_document(
            did, [f"at://{handle}"], told["verificationMethods"], {"atproto_labeler": labeler, "atproto_pds": pds}
        )
        activate(account)
        furnish(account)

        owner = owner_of(account)
        with pytest.raises(NotNow, match="does not have the new document yet"):
            move(account, ways.plan(account, tmp_path / "state"), owner)
        document = json.loads(next(line for line in owner.said if line.startswith("{")))
        move(account, ways.plan(account, tmp_path / "state"), owner)
        assert "3 records, the same on both sides" in owner.text
        assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
        assert [service["serviceEndpoint"] for service in document["service"]] == [ways.new.url, labeler[1]]


def bring_did(server: ReferencePds, did: Did, handle: str, key: PrivateKey) -> Account:
    """Make an account of a DID whose key the test has."""
    now = int(time.time())
    claims = {"iss": did, "aud": "did:web:localhost", "lxm": f"{SERVER}.createAccount", "iat": now, "exp": now + 60}
    token = jwt.encode({"typ": "JWT"}, claims, key)
    given = {"did": did, "handle": handle, "email": f"{handle}@mail.test", "password": "an-old-password"}
    url = f"{server.url}/xrpc/{SERVER}.createAccount"
    status, made = json_request(url, given, {"Authorization": f"Bearer {token}"})
    assert status == 200, made
    assert isinstance(made, dict)
    return Account(server, did, handle, given["password"], made["accessJwt"], made["refreshJwt"])


@pytest.fixture(scope="module")
def resident(running_ways: Ways) -> Account:
    """An account that stays where it is, whatever is tried."""
    account = sign_up(running_ways.old_server, "resident")
    furnish(account)
    return account
