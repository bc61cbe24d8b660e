"""What the doctor says of mail, blobs and backups."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from time import time
from types import ModuleType
from typing import Any

import pytest

from tempest_pds.doctor.checks.adapters import check_mail
from tempest_pds.doctor.deployment import Deployment, Options
from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Status
from tempest_pds.doctor.network import Network
from tempest_pds.plugin_loading import FoundPlugin
from tempest_pds.plugins import PluginManager
from tempest_pds.settings_loading import load_settings
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds_plugins import Adapter, Mail, Mailer, MailUnavailable, hookimpl


class Pigeon(Mailer):
    """A mailer that has no way to be tried."""

    async def send(self, mail: Mail) -> None:
        raise AssertionError("the doctor sends no mail")


class TriedPigeon(Pigeon):
    """A mailer that reaches a port, or does not."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def check(self) -> None:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError as error:
            raise MailUnavailable("the loft is closed") from error


async def mail_findings(make: Callable[[], Mailer], folder: Path, public: dict[str, str]) -> list[tuple[Status, str]]:
    @hookimpl
    def register_mailers() -> list[Adapter[Mailer]]:
        return [Adapter("pigeon", lambda environment, context: make())]

    module = ModuleType("pigeons")
    vars(module)["register_mailers"] = register_mailers
    plugins = PluginManager([FoundPlugin("pigeons", "tempest-pds-pigeons", "1.0.0", module)])
    plugins.require_sound()
    environ = {**public, "TEMPEST_DATA_DIR": str(folder), "TEMPEST_MAILER": "pigeon"}
    deployment = Deployment.of_settings(load_settings(environ), environ)
    network = Network(nameservers=(), own_names=["pds.example.com"], connect_to={}, ca_file=None)
    try:
        found = await check_mail(Examination(deployment, Options(), network, plugins))
    finally:
        await network.close()
    return [(finding.status, f"{finding.detail} {finding.cure}") for finding in found]


async def test_a_mailer_that_reaches_its_server(tmp_path: Path, public: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as loft:
        port = loft.getsockname()[1]
        ((status, text),) = await mail_findings(lambda: TriedPigeon(port), tmp_path, public)
    assert status is Status.OK
    assert "reaches its mail server" in text


async def test_a_mailer_that_does_not(tmp_path: Path, public: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as loft:
        port = loft.getsockname()[1]
    ((status, text),) = await mail_findings(lambda: TriedPigeon(port), tmp_path, public)
    assert status is Status.FAILURE
    assert "would not get a mail through: MailUnavailable: the loft is closed" in text
    assert "port, TLS and password" in text


async def test_a_mailer_that_cannot_be_tried_is_sent_no_mail(tmp_path: Path, public: dict[str, str]) -> None:
    ((status, _),) = await mail_findings(Pigeon, tmp_path, public)
    assert status in {Status.NOTE, Status.OK}


def test_mail_that_goes_to_the_log(examine: Any, public: dict[str, str]) -> None:
    assert [status for status, _, _ in examine("mail")] == ["note"]
    ((status, detail, cure),) = examine("mail", **public)
    assert status == "warning"
    assert "no mail goes out" in detail
    assert "reset a password" in detail
    assert "TEMPEST_SMTP_ENABLED=true" in cure


@pytest.mark.parametrize(
    ("check", "setting"),
    [("mail", "TEMPEST_MAILER"), ("blobs", "TEMPEST_BLOB_STORE"), ("backups", "TEMPEST_BACKUP_STORE")],
)
def test_an_adapter_that_nobody_offers(examine: Any, check: str, setting: str) -> None:
    ((status, detail, cure),) = examine(check, **{setting: "pigeon"})
    assert status == "failure"
    assert f"{setting}=pigeon: no installed plugin offers this" in detail
    assert "install the plugin" in cure


def test_a_blob_store_that_can_be_read(examine: Any) -> None:
    assert examine("blobs") == [("ok", "the blob store local can be read (it is empty)", "")]


def test_what_a_running_server_is_writing_is_left_alone(examine: Any, data: DataDirectory) -> None:
    """Opening the disk store would clear it, as of a server that died."""
    unfinished = data.blobs / ",unfinished"
    unfinished.mkdir()
    (unfinished / "upload").touch()
    examine("blobs")
    examine("backups")
    assert (unfinished / "upload").exists()


def test_a_public_server_without_a_backup(examine: Any, public: dict[str, str]) -> None:
    first, second = examine("backups", **public)
    assert first[0] == second[0] == "warning"
    assert "there is no backup" in first[1]
    assert "tempest backup create" in first[2]
    assert "on the disk that they are to save" in second[1]
    assert "TEMPEST_BACKUP_STORE=s3" in second[2]


@pytest.mark.parametrize(("hours", "status"), [(2, "ok"), (50, "warning")])
def test_the_age_of_the_newest_backup(examine: Any, data: DataDirectory, hours: int, status: str) -> None:
    old, newest = "tempest-localhost-20260101T000000Z.tar", "tempest-localhost-20260201T000000Z.tar"
    for name, age in ((old, hours + 100), (newest, hours), ("notes.txt", 0), ("tempest-other-20260201T000000Z.tar", 0)):
        (data.backups / name).touch()
        os.utime(data.backups / name, (time() - age * 3600, time() - age * 3600))
    found, detail, cure = examine("backups")[0]
    assert (found, detail.partition(" hours old")[0]) == (status, f"the newest backup, {newest}, is {hours}")
    assert ("tempest backup create" in cure) is (status == "warning")
    assert examine("backups", "--max-backup-age", "60")[0][0] == "ok"
