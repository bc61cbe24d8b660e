"""A repository that lost nodes of its tree, rebuilt by the command: the official consumer takes it, and goes on."""

import sqlite3
from pathlib import Path

from tests.support.account import sign_up
from tests.support.command import command
from tests.support.consumer import Consumer
from tests.support.node import Node
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest

from tempest_pds.stores.file_names import sharded


def test_the_official_consumer_accepts_a_rebuilt_repository(node: Node, plc: PlcDirectory, tmp_path: Path) -> None:
    with Tempest(tmp_path / "data", plc.url) as server:
        account = sign_up(server, "rebuilt")
        for number in range(60):
            account.post(str(number))
        server.stop()
        connection = sqlite3.connect(sharded(server.folder / "repos", account.did, ".sqlite"))
        with connection:
            connection.execute("DELETE FROM node WHERE cid = (SELECT data_cid FROM root)")
        connection.close()
        server.start()
        assert "missing block" in command(server, "repo", "verify", account.handle, code=1)
        told = command(server, "repo", "rebuild", account.handle, "--yes")
        assert f"Rebuilt {account.did}: 60 records" in told
        assert " sound at " in command(server, "repo", "verify", account.handle)
        last = account.post("after")
        with Consumer(node, server.url, plc.url) as consumer:
            events = consumer.until(lambda events: any(event.get("rev") == last["commit"]["rev"] for event in events))
        mine = [event["event"] for event in events if event["did"] == account.did]
        assert mine[-2:] == ["sync", "create"], mine
