"""`tempest account`, while a server runs and while none does."""

import json
import re
import sqlite3
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner
from tests.cli.conftest import Site
from tests.support.account import sign_up
from tests.support.command import command, refused, run_command
from tests.support.process import free_port, json_request
from tests.support.server import Tempest

from tempest_pds.cli.main import cli


def log_in(server: Tempest, name: str, password: str) -> int:
    body = {"identifier": name, "password": password}
    return json_request(f"{server.url}/xrpc/com.atproto.server.createSession", body)[0]


def test_list_shows_every_account_with_its_status(site: Site) -> None:
    assert f"{site.alice.did}  active       {site.alice.handle}  " in command(site.server, "account", "list")


def test_addresses_stand_below_each_other(site: Site) -> None:
    lines = command(site.server, "account", "list").splitlines()
    assert len({len(line.split()[2]) for line in lines}) > 1
    assert len({line.rindex("  ") for line in lines}) == 1


def test_info_takes_a_handle_or_a_did(site: Site) -> None:
    told = command(site.server, "account", "info", f"@{site.alice.handle}")
    assert site.alice.did in told
    assert f"{site.alice.handle}@mail.test" in told
    assert json.loads(command(site.server, "account", "info", site.alice.did, "--json"))["status"] == "active"


def test_an_account_that_is_not_here_is_a_mistake_of_one_line(site: Site) -> None:
    assert (
        refused(site.server, "account", "info", "nobody.test") == "tempest: nobody.test: there is no such account here"
    )


def test_create_and_delete(site: Site) -> None:
    made = command(site.server, "account", "create", "made.test", "made@mail.test")
    assert [line.split()[0] for line in made.splitlines()] == ["DID", "Handle", "Password"]
    refusal = refused(site.server, "account", "delete", "made.test")
    assert refusal == "tempest: nobody is there to be asked: give --yes"
    assert command(site.server, "account", "delete", "made.test", "--yes").startswith("Deleted did:plc:")
    assert "made.test" not in command(site.server, "account", "list")


def test_a_password_from_standard_input_is_not_shown(site: Site) -> None:
    given = "correct horse battery"
    told = command(site.server, "account", "reset-password", site.bob.did, "--password-stdin", stdin=f"{given}\n")
    assert told == f"DID       {site.bob.did}\n"


def test_takedown_and_its_undoing(site: Site) -> None:
    command(site.server, "account", "takedown", site.bob.handle, "--ref", "report-1")
    assert f"{site.bob.did}  takendown" in command(site.server, "account", "list")
    assert re.search("^Ref +report-1$", command(site.server, "account", "info", site.bob.did), re.MULTILINE)
    assert json.loads(command(site.server, "account", "info", site.bob.did, "--json"))["takedownRef"] == "report-1"
    command(site.server, "account", "untakedown", site.bob.did)
    assert f"{site.bob.did}  active" in command(site.server, "account", "list")
    assert "Ref" not in command(site.server, "account", "info", site.bob.did)


def test_suspension_and_its_end(site: Site) -> None:
    command(site.server, "account", "suspend", site.bob.handle)
    assert f"{site.bob.did}  suspended" in command(site.server, "account", "list")
    command(site.server, "account", "unsuspend", site.bob.did)
    assert f"{site.bob.did}  active" in command(site.server, "account", "list")


def test_a_lost_second_step_is_shown_and_turned_off(site: Site) -> None:
    with sqlite3.connect(site.server.folder / "account.sqlite") as database:
        database.execute("INSERT INTO totp VALUES (?, x'00', 1, 1, 0)", (site.bob.did,))
    database.close()
    assert re.search("^Second step +authenticator app$", command(site.server, "account", "info", site.bob.did), re.M)
    told = command(site.server, "account", "second-factor", "off", site.bob.handle, "--yes")
    assert told == f"Removed the second step of {site.bob.did}.\n"
    told = command(site.server, "account", "second-factor", "off", site.bob.handle, "--yes")
    assert told == f"{site.bob.did} had no second step.\n"


def test_what_was_not_done_is_not_undone_and_what_is_left_is_told(site: Site) -> None:
    """Takedown and suspension each have their own way back, and one may lie beneath the other."""
    did, handle = site.bob.did, site.bob.handle
    assert refused(site.server, "account", "unsuspend", did) == f"tempest: {handle} was not suspended"
    assert refused(site.server, "account", "untakedown", did) == f"tempest: {handle} was not taken down"
    command(site.server, "account", "takedown", did)
    told = refused(site.server, "account", "unsuspend", did)
    assert told == f"tempest: {handle} is taken down, not suspended: tempest account untakedown"
    command(site.server, "account", "suspend", did)
    told = command(site.server, "account", "unsuspend", did)
    assert told == f"Ended the suspension of {did}. It is still taken down: tempest account untakedown\n"
    command(site.server, "account", "suspend", did)
    told = command(site.server, "account", "untakedown", did)
    assert told == f"Restored {did}. It is still suspended: tempest account unsuspend\n"
    told = refused(site.server, "account", "untakedown", did)
    assert told == f"tempest: {handle} is suspended, not taken down: tempest account unsuspend"
    assert command(site.server, "account", "unsuspend", did) == f"Ended the suspension of {did}.\n"


def test_info_tells_when_an_account_is_to_be_deleted(site: Site) -> None:
    command(site.server, "account", "create", "carol.test", "carol@mail.test")
    connection = sqlite3.connect(site.server.folder / "account.sqlite", timeout=30)
    with connection:
        plan = "UPDATE account SET deactivated_at = 1, delete_after = 4071006245000000 WHERE handle = 'carol.test'"
        connection.execute(plan)
    connection.close()
    when = "2099-01-02T03:04:05.000Z"
    assert re.search(f"^Delete after +{when}$", command(site.server, "account", "info", "carol.test"), re.MULTILINE)
    assert json.loads(command(site.server, "account", "info", "carol.test", "--json"))["deleteAfter"] == when
    assert "Delete after" not in command(site.server, "account", "info", site.bob.did)


def test_update_email_and_handle(site: Site) -> None:
    command(site.server, "account", "update-email", site.bob.did, "new@mail.test")
    command(site.server, "account", "update-handle", site.bob.did, "renamed.test")
    assert "new@mail.test" in command(site.server, "account", "info", "renamed.test")


def test_create_invite_prints_codes_alone(site: Site) -> None:
    codes = command(site.server, "account", "create-invite", "--count", "3", "--uses", "2", "--for", site.alice.handle)
    assert len(codes.split()) == 3


def test_a_password_that_was_made_up_logs_in_and_the_old_one_no_longer(server: Tempest) -> None:
    server.start()
    account = sign_up(server)
    told = command(server, "account", "reset-password", account.handle)
    password = told.splitlines()[-1].removeprefix("Password").strip()
    assert log_in(server, account.handle, password) == 200
    assert log_in(server, account.handle, account.password) == 401


def test_list_goes_on_beyond_a_page(server: Tempest, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    dids = [sign_up(server).did for _ in range(5)]
    monkeypatch.setattr("tempest_pds.cli.account_command._PAGE", 2)
    done = CliRunner().invoke(cli, ["account", "list"], env=server.env)
    assert [line.split()[0] for line in done.stdout.splitlines()] == dids


def test_list_shows_an_account_without_a_repository_too(server: Tempest) -> None:
    server.start()
    dids = [sign_up(server).did for _ in range(2)]
    server.stop()
    connection = sqlite3.connect(server.folder / "account.sqlite")
    with connection:
        assert connection.execute("DELETE FROM repo_head WHERE did = ?", (dids[0],)).rowcount == 1
    connection.close()
    assert [line.split()[0] for line in command(server, "account", "list").splitlines()] == dids


def test_what_was_done_while_no_server_ran_is_there_when_one_does(server: Tempest) -> None:
    server.start()
    account = sign_up(server)
    server.stop()
    command(server, "account", "takedown", account.handle)
    server.start()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}")


def test_an_invite_code_is_made_where_one_is_needed(server: Tempest) -> None:
    server.env["TEMPEST_INVITE_REQUIRED"] = "true"
    server.start()
    assert "Password" in command(server, "account", "create", "invited.test", "invited@mail.test")


def test_a_token_or_password_is_in_no_log(server: Tempest) -> None:
    server.env["TEMPEST_LOG_LEVEL"] = "debug"
    server.start()
    made = command(server, "account", "create", "quiet.test", "quiet@mail.test")
    password = made.splitlines()[-1].removeprefix("Password").strip()
    control = json.loads((server.folder / "control.json").read_text())
    server.stop()
    log = server.log.read_text()
    assert "createAccount" in log
    assert password not in log
    assert control["token"] not in log


def test_without_a_data_directory_it_is_a_mistake_of_one_line(server: Tempest) -> None:
    done = run_command(server.env, "account", "list")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"tempest: no server has run on {server.folder}; set TEMPEST_DATA_DIR to the server's data directory"
    ]


def test_a_directory_whose_restore_has_not_come_to_its_end_is_told_as_such(server: Tempest) -> None:
    """Also before there is a database."""
    server.folder.mkdir()
    (server.folder / "restore-unfinished").touch()
    assert refused(server, "account", "list") == (
        f"tempest: a restore into {server.folder} has not come to its end: run `tempest backup restore` again"
    )


def test_a_plc_directory_that_cannot_be_reached_is_named(server: Tempest) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    server.env["TEMPEST_PLC_URL"] = url
    server.start()
    told = refused(server, "account", "create", "made.test", "made@mail.test")
    reason = "the connection is refused: nothing listens there, or a firewall rejects it"
    assert told == (
        f"tempest: the PLC directory {url} could not be reached ({reason}): look at TEMPEST_PLC_URL and outgoing HTTPS"
    )
