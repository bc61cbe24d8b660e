"""`tempest admin-token`: what it makes, the server takes."""

from tests.support.command import run_command
from tests.support.process import json_request
from tests.support.server import Tempest


def test_a_new_token_is_the_administrators_once_its_hash_is_in_the_settings(server: Tempest) -> None:
    made = run_command(server.env, "admin-token", "new").stdout
    token, hashed = (line.split()[1] for line in made.splitlines())
    server.env["TEMPEST_ADMIN_TOKEN_HASH"] = hashed
    server.start()
    headers = {"Authorization": f"Bearer {token}"}
    assert json_request(f"{server.url}/xrpc/_admin/control", headers=headers)[0] == 200
    assert run_command(server.env, "admin-token", "check", stdin=f"{token}\n").returncode == 0
    wrong = run_command(server.env, "admin-token", "check", stdin="guess\n")
    assert (wrong.returncode, wrong.stdout) == (1, "This is not the administrator's token.\n")
    # The commands need no token of the operator's.
    assert run_command(server.env, "sequencer", "status").returncode == 0


def test_check_without_a_hash_is_a_mistake(server: Tempest) -> None:
    done = run_command(server.env, "admin-token", "check", stdin="x\n")
    assert done.returncode == 2
    assert done.stderr.startswith("tempest: TEMPEST_ADMIN_TOKEN_HASH is not set")


def test_on_localhost_the_token_that_was_made_up_is_the_one_in_force(server: Tempest) -> None:
    server.start()
    token = (server.folder / "keys" / "secret_admin_token").read_text()
    assert run_command(server.env, "admin-token", "check", stdin=f"{token}\n").returncode == 0
    assert run_command(server.env, "admin-token", "check", stdin="guess\n").returncode == 1


def test_hash_is_the_command_of_old(server: Tempest) -> None:
    done = run_command(server.env, "admin-token", "hash", stdin="my token\n")
    assert done.stdout.startswith("$argon2id$")
