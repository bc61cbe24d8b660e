"""What the server measures, against what `telemetry.INSTRUMENTS` and so `docs/metrics.md` say of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram, NoOpMeter, UpDownCounter

from tempest_pds.app import build_app
from tempest_pds.http.server import bind, make_server
from tempest_pds.settings_loading import load_settings
from tempest_pds.telemetry import INSTRUMENTS, Instruments

Attributes = Mapping[str, object] | None


class Recorder(NoOpMeter):
    """Notes the instruments that are made, and the attributes of what they measure."""

    def __init__(self) -> None:
        super().__init__("tests")
        self.made: list[tuple[str, str, str, str]] = []
        self.seen: dict[str, set[str]] = {}

    def note(self, name: str, attributes: Attributes) -> None:
        self.seen.setdefault(name, set()).update(attributes or {})

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        self.made.append((name, "counter", unit, description))
        return _Recording(name, self)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        self.made.append((name, "up-down counter", unit, description))
        return _Recording(name, self)

    def create_histogram(  # type: ignore[override]  # the parameters that nobody here uses
        self, name: str, unit: str = "", description: str = ""
    ) -> Histogram:
        self.made.append((name, "histogram", unit, description))
        return _Recording(name, self)


class _Recording(Counter, UpDownCounter, Histogram):
    def __init__(self, name: str, recorder: Recorder) -> None:
        self._name = name
        self._recorder = recorder

    def add(self, amount: float, attributes: Attributes = None, context: object = None) -> None:
        self._recorder.note(self._name, attributes)

    def record(self, amount: float, attributes: Attributes = None, context: object = None) -> None:
        self._recorder.note(self._name, attributes)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(metrics, "get_meter", lambda *_: recorder)
    return recorder


@pytest.fixture
async def url(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A server in this process, which measures with the recorder."""
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process goes on after the server
    listener = bind("127.0.0.1", 0)
    environment = {"TEMPEST_DATA_DIR": str(tmp_path / "data"), "PORT": str(listener.getsockname()[1])}
    ready = asyncio.Event()
    server = make_server(build_app(load_settings(environment), environment), ready.set)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(30):
        await ready.wait()
    yield f"http://127.0.0.1:{environment['PORT']}/xrpc"
    server.should_exit = True
    await serving


def test_the_instruments_are_made_as_they_are_described(recorder: Recorder) -> None:
    Instruments()
    assert recorder.made == [(each.name, each.kind, each.unit, each.description) for each in INSTRUMENTS]


async def test_all_of_them_measure_with_the_attributes_that_are_described(
    recorder: Recorder, url: str, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as client:
        new = {"handle": "alice.test", "email": "alice@mail.test", "password": "a long password"}
        async with client.post(f"{url}/com.atproto.server.createAccount", json=new) as answer:
            account = await answer.json()
        bearer = {"Authorization": f"Bearer {account['accessJwt']}"}
        image = {"Content-Type": "application/x-test", **bearer}
        async with client.post(f"{url}/com.atproto.repo.uploadBlob", data=b"a blob", headers=image) as answer:
            blob = (await answer.json())["blob"]
        record = {"$type": "com.example.thing", "blob": blob}
        write = {"repo": account["did"], "collection": "com.example.thing", "record": record}
        async with client.post(f"{url}/com.atproto.repo.createRecord", json=write, headers=bearer) as answer:
            assert answer.status == 200, await answer.text()
        query = {"did": account["did"], "cid": blob["ref"]["$link"]}
        async with client.get(f"{url}/com.atproto.sync.getBlob", params=query) as answer:
            assert await answer.read() == b"a blob"
        async with client.ws_connect(f"{url}/com.atproto.sync.subscribeRepos?cursor=0") as socket:
            await socket.receive_bytes()
        token = (tmp_path / "data" / "keys" / "secret_admin_token").read_text()
        operator = {"Authorization": f"Bearer {token}"}
        async with client.post(f"{url}/_admin/backups/create", json={}, headers=operator) as answer:
            assert '"result"' in await answer.text()
    described = {each.name: set(each.attributes) for each in INSTRUMENTS}
    backfill = "firehose.backfill.count"  # measures only what the memory no longer holds
    assert recorder.seen | {backfill: set()} == described
