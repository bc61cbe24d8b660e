"""The folder of a move: what it keeps, and for whom."""

import json
import stat
from pathlib import Path

import pytest

from tempest_pds.migration.errors import MigrationError, NotNow
from tempest_pds.migration.journal import Journal, find_did

MOVE = {"did": "did:plc:a", "target": "https://new.example.com"}


def test_what_is_done_is_known_to_the_next_command(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state")
    journal.begin(**MOVE, handle="alice.test")
    journal.done("import", rev="1")
    journal.done("blobs", moved=2)
    journal.undo("import")
    journal.close()
    again = Journal.open(tmp_path / "state")
    assert again.move["handle"] == "alice.test"
    assert again.step("import") is None
    assert (again.step("blobs") or {})["moved"] == 2
    again.close()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state")
    journal.begin(**MOVE)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "state.json").stat().st_mode) == 0o600


def test_two_commands_do_not_share_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with pytest.raises(NotNow, match="another command"):
        Journal.open(tmp_path)
    journal.close()
    Journal.open(tmp_path).close()


@pytest.mark.parametrize("other", [{"did": "did:plc:b"}, {"target": "https://other.example.com"}])
def test_it_is_of_one_move(tmp_path: Path, other: dict[str, str]) -> None:
    journal = Journal.open(tmp_path)
    journal.begin(**MOVE)
    with pytest.raises(MigrationError, match="give another folder with --state"):
        journal.begin(**(MOVE | other))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2, "move": {}, "steps": {}}', '{"version": 1}'])
def test_something_else_is_not_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(MigrationError, match="not the state of a move"):
        Journal.open(tmp_path)
    (tmp_path / "state.json").write_text(json.dumps({"version": 1, "move": {}, "steps": {}}))
    Journal.open(tmp_path).close()


def test_an_account_is_known_by_the_handle_that_it_had(tmp_path: Path) -> None:
    did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    journal = Journal.open(tmp_path / "move")
    journal.begin(**MOVE | {"did": did}, source_handle="alice.test")
    journal.close()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "state.json").write_text("{")
    folders = [broken, tmp_path / "none", tmp_path / "move"]
    assert find_did(folders, "alice.test") == did
    assert find_did(folders, "bob.test") is None
