"""The image, as it is run: the entrypoint in a root of its own, as PID 1, over a volume. No container engine is needed.

The quick form borrows the folders of this machine; the long one builds the root by the Dockerfile itself, step by step.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.container import TEMPEST_ID, VOLUME, Container, Root, borrowed_root, require_containers
from tests.support.dockerfile import health_check
from tests.support.image_build import build_image
from tests.support.process import json_request


@pytest.fixture(scope="module", params=["borrowed", pytest.param("built", marks=pytest.mark.long)])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Root:
    require_containers()
    folder = tmp_path_factory.mktemp("image")
    return borrowed_root(folder) if request.param == "borrowed" else build_image(folder)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume as a host mounts it: empty, and root's."""
    folder = tmp_path_factory.mktemp("volume") / "data"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture(scope="module")
def container(root: Root, volume: Path) -> Iterator[Container]:
    with Container(root, volume) as container:
        yield container


def owners(folder: Path) -> set[tuple[int, int]]:
    """Return who owns the folder and all that is in it."""
    stats = [path.lstat() for path in (folder, *folder.rglob("*"))]
    return {(stat.st_uid, stat.st_gid) for stat in stats}


def refusal(container: Container) -> str:
    """Run a container that is expected to refuse; return its one line."""
    done = container.run()
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    return line


def test_the_server_runs_unprivileged(container: Container) -> None:
    """As PID 1, so that it gets the engine's signals; nothing in it may become root again."""
    assert container.status("NSpid")[-1] == "1"
    assert container.status("Uid") == container.status("Gid") == [str(TEMPEST_ID)] * 4
    assert container.status("NoNewPrivs") == ["1"]
    assert container.status("CapEff") == container.status("CapPrm") == ["0000000000000000"]
    assert "0" not in container.status("Groups")


def test_the_volume_is_the_user_s_and_closed_to_others(container: Container, volume: Path) -> None:
    assert owners(volume) == {(TEMPEST_ID, TEMPEST_ID)}
    assert volume.stat().st_mode & 0o777 == 0o700
    assert {"account.sqlite", "sequencer.sqlite", "keys", "repos"} <= {path.name for path in volume.iterdir()}


def test_the_health_check_finds_the_server(container: Container) -> None:
    done = container.execute(*health_check())
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" is well\n")


def test_every_adapter_is_in_it(container: Container) -> None:
    done = container.execute("tempest", "plugins")
    assert done.returncode == 0, done.stderr
    assert {"blob-s3", "backup-s3", "smtp", "otel"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_an_image_of_one_s_own_can_add_a_plugin(container: Container) -> None:
    """`RUN /opt/tempest/bin/pip install …`, as the page on deploying says."""
    done = container.execute("/opt/tempest/bin/pip", "--version")
    assert done.returncode == 0, done.stderr


def test_the_operator_s_commands_reach_the_server_from_within(container: Container, volume: Path) -> None:
    account = sign_up(container, "listed")
    done = container.execute("tempest", "account", "list")
    assert done.returncode == 0, done.stderr
    assert account.handle in done.stdout
    assert owners(volume) == {(TEMPEST_ID, TEMPEST_ID)}


def test_a_command_in_the_container_makes_no_file_of_root_s(root: Root, tmp_path: Path) -> None:
    """`docker exec` and the consoles of hosts come as root, and pass by the entrypoint."""
    volume = tmp_path / "data"
    volume.mkdir()
    os.chown(volume, TEMPEST_ID, TEMPEST_ID)
    with Container(root, volume, "serve", entrypoint=["tempest"]) as container:
        assert container.status("Uid") == [str(TEMPEST_ID)] * 4
        assert owners(volume) == {(TEMPEST_ID, TEMPEST_ID)}
        assert container.stop() == 0


def test_sigterm_ends_it_and_the_next_start_has_the_data(root: Root, tmp_path: Path) -> None:
    """Also when somebody gave the files to root in between, as a restored archive does."""
    volume = tmp_path / "data"
    volume.mkdir()
    with Container(root, volume) as first:
        account = sign_up(first, "kept")
        account.post("before the restart")
        assert first.stop() == 0
    for path in (volume, *volume.rglob("*")):
        os.chown(path, 0, 0)
    (volume / "outside").symlink_to("/etc/passwd")
    with Container(root, volume) as second:
        body = {"identifier": account.handle, "password": account.password}
        assert json_request(f"{second.url}/xrpc/com.atproto.server.createSession", body)[0] == 200
        posts = f"/xrpc/com.atproto.repo.listRecords?repo={account.did}&collection=app.bsky.feed.post"
        _, answer = json_request(second.url + posts)
        assert isinstance(answer, dict)
        assert [record["value"]["text"] for record in answer["records"]] == ["before the restart"]
        assert owners(volume) == {(TEMPEST_ID, TEMPEST_ID)}
        assert Path("/etc/passwd").stat().st_uid == 0


def test_another_user_than_root_is_taken_as_it_is(root: Root, tmp_path: Path) -> None:
    """Who starts the image with `--user` has prepared the volume."""
    tmp_path.chmod(0o755)
    volume = tmp_path / "data"
    volume.mkdir()
    os.chown(volume, 12_345, 12_345)
    with Container(root, volume, user=12_345) as container:
        assert container.status("Uid") == ["12345"] * 4
        assert owners(volume) == {(12_345, 12_345)}
        assert container.stop() == 0


def test_another_user_without_a_volume_of_its_own_is_told(root: Root, tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    told = refusal(Container(root, volume, user=12_345))
    assert told.endswith(f"{VOLUME} belongs to root, and this is run by 12345; `chown -R 12345: {VOLUME}`")


def test_a_volume_for_reading_only_is_told(root: Root, tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    line = refusal(Container(root, volume, read_only=True))
    assert line == f"tempest: cannot give the data directory {VOLUME} to the user tempest: Read-only file system"


def test_a_used_volume_for_reading_only_is_told(root: Root, tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir(mode=0o700)
    os.chown(volume, TEMPEST_ID, TEMPEST_ID)
    line = refusal(Container(root, volume, read_only=True))
    assert line.startswith("tempest: cannot ")
    assert line.endswith("Read-only file system")


@pytest.mark.parametrize(
    "folder",
    [
        *("/", "/etc", "/var/lib/../..", "data", "/usr/", "/var/lib", "/run/tempest"),
        *("/home", "/home/alice/", "/root", "/root/data", "/srv", "/mnt", "/media", "/tmp"),
        *("/var/log", "/var/lib/../log/tempest", "/var/cache/apt", "/var/lib/dpkg", "/var/lib/apt/lists"),
    ],
)
def test_a_data_directory_that_would_give_the_system_away_is_refused(root: Root, folder: str, tmp_path: Path) -> None:
    before = owners(Path("/etc/ssl"))
    line = refusal(Container(root, tmp_path, "true", env={"TEMPEST_DATA_DIR": folder}))
    assert line.startswith("tempest: TEMPEST_DATA_DIR must be ")
    assert owners(Path("/etc/ssl")) == before


@pytest.mark.parametrize(
    "folder",
    [
        "/data",
        "/srv/tempest",
        "/mnt/volume",
        "/home/alice/tempest",
        "/var/lib/pds",
        "/var/pds",
        "/opt/pds",
        "/tmp/trial",
    ],
)
def test_a_data_directory_of_its_own_is_taken(root: Root, folder: str, tmp_path: Path) -> None:
    show = f"stat --format=%U:%a {folder}"
    done = Container(root, tmp_path, "sh", "-c", show, env={"TEMPEST_DATA_DIR": folder}).run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "tempest:700\n", "")


def test_a_setting_that_is_missing_ends_it_with_its_line(root: Root, tmp_path: Path) -> None:
    """The server's own exit code and line arrive unchanged."""
    line = refusal(Container(root, tmp_path, env={"TEMPEST_HOSTNAME": "pds.example.com"}))
    assert line.startswith("tempest: a server called pds.example.com (TEMPEST_HOSTNAME) also needs")
