"""`tempest repo`, `blob` and `sequencer`, while a server runs and while none does."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

from tests.cli.conftest import PNG, Site, populate
from tests.support.command import TEMPEST, command, refused
from tests.support.server import Tempest

from tempest_pds.protocol.data_model import car
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.stores.file_names import sharded


def repo_file(site: Site) -> Path:
    return sharded(site.server.folder / "repos", site.alice.did, ".sqlite")


def damage(site: Site, statement: str) -> None:
    with sqlite3.connect(repo_file(site)) as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def rev(told: str) -> str:
    return told.strip().rpartition(" ")[2].rstrip(".")


def test_verify_of_a_sound_repository(site: Site) -> None:
    told = command(site.server, "repo", "verify", site.alice.handle, "--blobs")
    assert f"{site.alice.did}  sound at " in told
    assert "1 repository verified, 0 damaged: " in told
    assert "1 blob." in told


def test_verify_of_all_tells_the_totals_alone(site: Site) -> None:
    told = json.loads(command(site.server, "repo", "verify", "--all", "--json"))
    assert (told["damaged"], told["reports"]) == (0, [])
    assert told["repositories"] >= 1


def test_verify_of_nothing_is_a_mistake(site: Site) -> None:
    assert "or give --all" in refused(site.server, "repo", "verify")


def test_export_is_a_whole_repository_and_import_takes_it_back(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "alice.car"
    command(site.server, "repo", "export", site.alice.handle, "-o", str(target))
    roots, blocks = car.decode(target.read_bytes())
    commit, records = verify_repo(MemoryBlockSource(blocks), roots[0])
    assert commit.did == site.alice.did
    assert len(list(records)) == 8
    told = command(site.server, "repo", "import", site.alice.handle, str(target), "--yes")
    assert rev(told) > commit.rev
    assert [path.name for path in tmp_path.iterdir()] == ["alice.car"]


def test_export_to_standard_output(site: Site) -> None:
    done = subprocess.run(
        [*TEMPEST, "repo", "export", site.alice.did, "-o", "-"], env=site.server.env, capture_output=True, check=True
    )
    assert car.decode(done.stdout)[0]


def test_export_to_what_is_no_regular_file_leaves_it_what_it_is(site: Site, tmp_path: Path) -> None:
    """Root could replace /dev/null by a file, which no other program would survive."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        command(site.server, "repo", "export", site.alice.did, "-o", str(pipe))
        assert pipe.is_fifo()
        assert car.decode(os.read(reader, 65_536))[0]
    finally:
        os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_export_to_a_folder_is_refused_in_one_line(site: Site, tmp_path: Path) -> None:
    assert f"cannot write {tmp_path}: Is a directory" in refused(
        site.server, "repo", "export", site.alice.did, "-o", str(tmp_path)
    )


def test_import_of_another_accounts_repository_is_refused_in_one_line(site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.car"
    wrong.write_bytes(b"no CAR file" * 100_000)
    line = refused(site.server, "repo", "import", site.alice.did, str(wrong), "--yes")
    assert line.startswith("tempest: Invalid CAR file")


def test_rebuild_gives_a_new_commit(site: Site) -> None:
    told = command(site.server, "repo", "rebuild", site.alice.handle, "--yes")
    assert "8 records" in told
    report = json.loads(command(site.server, "repo", "verify", site.alice.did, "--json"))["reports"][0]
    assert (report["rev"], report["problems"]) == (rev(told), [])


def test_sequencer_status(site: Site) -> None:
    told = command(site.server, "sequencer", "status")
    assert [line[:16].rstrip() for line in told.splitlines()] == [
        "Last", "First kept", "Applied to files", "Events", "Oldest", "Size",
    ]  # fmt: skip
    found = json.loads(command(site.server, "sequencer", "status", "--json"))
    # The events of an account that another test deleted are gone.
    assert 10 <= found["events"] == sum(found["kinds"].values()) <= found["lastSeq"]


def test_gc_of_what_is_in_use_removes_nothing(site: Site) -> None:
    assert command(site.server, "blob", "gc", "--older-than", "0") == "0 blobs removed.\n"


def test_scrub_of_sound_blobs(site: Site) -> None:
    told = command(site.server, "blob", "scrub")
    assert told.startswith(f"1 blob checked, {len(PNG)} bytes read: 0 without bytes, 0 damaged;")


def test_orphans_are_deleted_only_when_somebody_is_sure(site: Site) -> None:
    assert "give --yes" in refused(site.server, "blob", "scrub", "--delete-orphans")
    assert "0 removed." in command(site.server, "blob", "scrub", "--presence-only", "--delete-orphans", "--yes")


def test_damage_is_told_with_exit_code_1_and_a_rebuild_heals_it(server: Tempest) -> None:
    server.start()
    site = populate(server)
    server.stop()
    damage(site, "DELETE FROM node WHERE cid = (SELECT data_cid FROM root)")
    server.start()
    told = command(server, "repo", "verify", "--all", code=1)
    assert f"{site.alice.did}  damaged\n  the tree: missing block" in told
    command(server, "repo", "rebuild", site.alice.did, "--yes")
    command(server, "repo", "verify", "--all")
    site.alice.post("and it can be written to")


def test_lost_bytes_are_told_with_exit_code_1(server: Tempest) -> None:
    server.start()
    site = populate(server)
    (bytes_of_blob,) = (path for path in (server.folder / "blobs").rglob("*") if path.is_file())
    bytes_of_blob.unlink()
    assert "there are no bytes of blob" in command(server, "blob", "scrub", code=1)
    assert "there are no bytes of blob" in command(server, "repo", "verify", site.alice.did, code=1)


def test_a_repository_without_an_account_can_be_verified_by_its_did(site: Site) -> None:
    line = refused(site.server, "repo", "verify", "did:plc:nobodyyyyyyyyyyyyyyyyyyy")
    assert line == "tempest: Could not find repo for DID: did:plc:nobodyyyyyyyyyyyyyyyyyyy"
