"""Documents from the folders of TEMPEST_LEXICON_PATHS: records of their collections are checked like any other."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from whole_server import User, verdict, whole_server

NOTE = "com.example.note"
DOCUMENT = {
    "lexicon": 1,
    "id": NOTE,
    "defs": {
        "main": {
            "type": "record",
            "key": "tid",
            "record": {
                "type": "object",
                "required": ["text"],
                "properties": {
                    "text": {"type": "string", "maxLength": 5},
                    "about": {"type": "ref", "ref": "com.atproto.repo.strongRef"},
                },
            },
        }
    },
}


async def create(user: User, validate: bool | None, **fields: object) -> httpx.Response:
    given = {"repo": user.did, "collection": NOTE, "record": {"$type": NOTE, **fields}}
    if validate is not None:
        given["validate"] = validate
    return await user.post("com.atproto.repo.createRecord", given)


@pytest.mark.parametrize(
    ("validate", "status"),
    [(None, "unknown"), (False, None), (True, "refused")],
    ids=["validate unset", "validate false", "validate true"],
)
async def test_without_its_document_a_collection_is_unknown(
    tmp_path: Path, validate: bool | None, status: str | None
) -> None:
    async with whole_server(tmp_path / "data") as server:
        answer = await create(await server.sign_up("alice"), validate, text="too long by far")
    if status == "refused":
        assert verdict(answer) == (400, "InvalidRequest")
    else:
        assert answer.json().get("validationStatus") == status


async def test_with_its_document_a_collection_is_checked(tmp_path: Path) -> None:
    folder = tmp_path / "lexicons" / "com" / "example"
    folder.mkdir(parents=True)
    (folder / "note.json").write_text(json.dumps(DOCUMENT))
    async with whole_server(tmp_path / "data", TEMPEST_LEXICON_PATHS=str(tmp_path / "lexicons")) as server:
        alice = await server.sign_up("alice")
        for validate in (None, True):
            assert (await create(alice, validate, text="short")).json()["validationStatus"] == "valid"
            refused = await create(alice, validate, text="too long by far")
            assert verdict(refused) == (400, "InvalidRequest")
            assert "$.record.text" in refused.json()["message"]
            # The reference to a document that comes with the server is followed.
            half = await create(alice, validate, text="ref", about={"uri": "at://did:plc:a/com.example.note/x"})
            assert verdict(half) == (400, "InvalidRequest")
        unchecked = await create(alice, False, text="too long by far")
        assert unchecked.status_code == 200
        assert "validationStatus" not in unchecked.json()
