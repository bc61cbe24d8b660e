"""Observers cannot do harm, and policies cannot be passed by failing."""

import timeit
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
import structlog

from tempest_pds.plugin_hooks import POLICY_FAILED
from tempest_pds.plugins import PluginManager

MakePlugin = Callable[[str, str], EntryPoint]

SIGN_UP = {"handle": "alice.test", "email": None, "invite_code": None, "client_ip": None}


def load(*entry_points: EntryPoint) -> PluginManager:
    manager = PluginManager.load({}, entry_points)
    manager.require_sound()
    return manager


def test_observer_hears_the_arguments_it_names(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr("builtins.heard", heard, raising=False)
    manager = load(make_plugin("mine", "@hookimpl\ndef blob_stored(size, did):\n    heard.append((did, size))"))
    manager.notify("blob_stored", did="did:plc:a", cid="bafk", mime_type="image/png", size=3)
    assert heard == [("did:plc:a", 3)]


def test_failing_observer_is_logged_and_the_others_still_hear(
    make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr("builtins.heard", heard, raising=False)
    fails = "@hookimpl\ndef server_stopping():\n    raise ValueError('oh')"
    hears = "@hookimpl\ndef server_stopping(hostname):\n    heard.append(hostname)"
    manager = load(make_plugin("a", hears), make_plugin("b", fails), make_plugin("c", hears))
    with structlog.testing.capture_logs() as logs:
        manager.notify("server_stopping", hostname="pds.test")
    assert heard == ["pds.test", "pds.test"]
    assert [(entry["plugin"], entry["hook"], entry["log_level"]) for entry in logs] == [
        ("b", "server_stopping", "error")
    ]


def test_first_refusal_counts_and_ends_the_asking(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.asked", asked, raising=False)

    def policy(name: str, answer: str) -> EntryPoint:
        source = f"@hookimpl\ndef check_sign_up(handle):\n    asked.append({name!r})\n    return {answer}"
        return make_plugin(name, source)

    manager = load(policy("a", "'because a'"), policy("b", "' because b '"), policy("c", "None"))
    refusal = manager.first_refusal("check_sign_up", **SIGN_UP)
    # pluggy asks whoever registered last first, and plugins are registered in the order given here.
    assert refusal == "because b"
    assert asked == ["c", "b"]


def test_no_refusal_is_none(make_plugin: MakePlugin) -> None:
    assert (
        load(make_plugin("a", "@hookimpl\ndef check_sign_up(): ...")).first_refusal("check_sign_up", **SIGN_UP) is None
    )
    assert load().first_refusal("check_sign_up", **SIGN_UP) is None


@pytest.mark.parametrize("body", ["raise ValueError('inner detail')", "return False", "return ''", "return 1"])
def test_failing_policy_refuses_without_details(make_plugin: MakePlugin, body: str) -> None:
    manager = load(make_plugin("mine", f"@hookimpl\ndef check_sign_up():\n    {body}"))
    with structlog.testing.capture_logs() as logs:
        assert manager.first_refusal("check_sign_up", **SIGN_UP) == POLICY_FAILED
    assert logs[0]["plugin"] == "mine"


def test_hook_nobody_implements_costs_next_to_nothing() -> None:
    manager = PluginManager.load({})
    assert not manager.listens("record_committed")
    took = min(
        timeit.repeat(
            lambda: manager.notify("record_committed", did="", rev="", commit="", changes=()), number=1000, repeat=5
        )
    )
    assert took / 1000 < 20e-6
