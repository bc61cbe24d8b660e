"""`oauth_jwks.json`: what is written is read again, and what is damaged is said in one line."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tempest_pds.stores.oauth_key_file import OAuthKey, OAuthKeyFile, OAuthKeysBroken

NOW = 1_800_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oauth_jwks.json"


def test_there_are_no_keys_at_first(path: Path) -> None:
    assert OAuthKeyFile(path).read() == []


def test_what_is_written_is_read_again(path: Path) -> None:
    keys = [OAuthKey.make(NOW).retire(NOW + 5), OAuthKey.make(NOW + 5)]
    OAuthKeyFile(path).write(keys)
    read = OAuthKeyFile(path).read()
    assert [(key.kid, key.created, key.retired) for key in read] == [
        (keys[0].kid, NOW, NOW + 5),
        (keys[1].kid, NOW + 5, None),
    ]
    assert keys[1].private is not None
    assert [key.private and key.private.raw for key in read] == [None, keys[1].private.raw]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_was_replaced_has_no_private_half_on_the_disk(path: Path) -> None:
    OAuthKeyFile(path).write([OAuthKey.make(NOW).retire(NOW), OAuthKey.make(NOW)])
    assert ["d" in entry for entry in json.loads(path.read_text())["keys"]] == [False, True]


def test_a_key_does_not_show_its_private_half(path: Path) -> None:
    key = OAuthKey.make(NOW)
    assert key.private is not None
    for secret in (key.private.raw.hex(), repr(key.private.raw), str(int.from_bytes(key.private.raw, "big"))):
        assert secret not in repr(key)


def test_a_write_that_fails_leaves_the_keys_that_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = OAuthKeyFile(path)
    file.write([OAuthKey.make(NOW)])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempest_pds.stores.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.write([OAuthKey.make(NOW)])
    assert path.read_bytes() == before


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole.pop("keys"),
        lambda whole: whole.update(keys=[]),
        lambda whole: whole.update(keys={}),
        lambda whole: whole.update(keys="x"),
        lambda whole: whole.update(keys=[5]),
        lambda whole: whole["keys"][0].pop("d"),
        lambda whole: whole["keys"][0].update(d="x"),
        lambda whole: whole["keys"][0].update(d=whole["keys"][0]["x"]),
        lambda whole: whole["keys"][0].update(x="x"),
        lambda whole: whole["keys"][0].update(kid="x"),
        lambda whole: whole["keys"][0].update(created="yesterday"),
        lambda whole: whole["keys"][0].update(created=True),
        lambda whole: whole["keys"][0].update(created=10**30),
        lambda whole: whole["keys"].append(dict(whole["keys"][0]) | {"d": None}),
    ],
)
def test_a_damaged_file_is_said_in_one_line_without_what_is_in_it(path: Path, change: Change) -> None:
    OAuthKeyFile(path).write([OAuthKey.make(NOW)])
    whole = json.loads(path.read_text())
    secret = whole["keys"][0]["d"]
    change(whole)
    path.write_text(json.dumps(whole))
    with pytest.raises(OAuthKeysBroken) as caught:
        OAuthKeyFile(path).read()
    text = str(caught.value)
    assert str(path) in text
    assert "remove it" in text
    assert "\n" not in text
    assert secret not in text


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000])
def test_what_is_no_json_is_a_damaged_file(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(OAuthKeysBroken):
        OAuthKeyFile(path).read()


def test_a_file_that_cannot_be_read_is_said_so(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OAuthKeysBroken, match="make it a file that belongs to the user that runs"):
        OAuthKeyFile(path).read()
