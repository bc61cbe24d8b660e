"""What an account brings along, piece by piece, on both servers: repository, blobs, and the state of it meanwhile."""

import urllib.request
from collections.abc import Mapping

import pytest
from tests.e2e.test_import_repo import export, import_repo
from tests.support.account import Account
from tests.support.account_view import records_of
from tests.support.backups import upload
from tests.support.foreign_repo import Foreign, post
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.rich_account import png
from tests.support.wanderer import SERVER, Wanderer

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid

REPO, SYNC = "com.atproto.repo", "com.atproto.sync"
PROFILE = "app.bsky.actor.profile"
TWO, THREE = "3jzfcijpj2z2b", "3jzfcijpj2z2c"


@pytest.fixture
def wanderer(plc: PlcDirectory) -> Wanderer:
    return Wanderer(plc)


@pytest.fixture
def account(pds: ServerProcess, wanderer: Wanderer) -> Account:
    return wanderer.arrive(pds)


def bring(account: Account, records: Mapping[str, LexValue]) -> None:
    status, answer = import_repo(account, Foreign(records, Did(account.did)).car())
    assert status == 200, answer


def blob(data: bytes, mime_type: str = "image/png") -> LexValue:
    return {"$type": "blob", "ref": CID.for_raw(data), "mimeType": mime_type, "size": len(data)}


def showing(*blobs: LexValue) -> LexValue:
    return post("look", embed={"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": b} for b in blobs]})


def counts(account: Account) -> tuple[int, int, int]:
    state = account.query(f"{SERVER}.checkAccountStatus")
    return state["indexedRecords"], state["expectedBlobs"], state["importedBlobs"]


def missing(account: Account, limit: int = 500) -> dict[str, str]:
    """Go through all pages of listMissingBlobs; the blobs with their records, none of which may come twice."""
    found: dict[str, str] = {}
    cursor: dict[str, str] = {}
    while True:
        page = account.query(f"{REPO}.listMissingBlobs", limit=limit, **cursor)
        assert len(page["blobs"]) <= limit
        for each in page["blobs"]:
            assert each["cid"] not in found
            found[each["cid"]] = each["recordUri"]
        if not page["blobs"] or "cursor" not in page:
            return found
        cursor = {"cursor": page["cursor"]}


def test_missing_blobs_are_listed_by_the_page_until_they_are_there(account: Account) -> None:
    pictures = [png(seed) for seed in range(5)]
    records = {f"app.bsky.feed.post/{n}": showing(blob(picture)) for n, picture in enumerate(pictures)}
    # One that two records show, and one from before blobs had types.
    records["app.bsky.feed.post/again"] = showing(blob(pictures[0]), blob(pictures[1]))
    records[f"{PROFILE}/self"] = {
        "$type": PROFILE,
        "avatar": {"cid": str(CID.for_raw(b"an old one")), "mimeType": "text/plain"},
    }
    bring(account, records)
    all_missing = missing(account)
    assert all_missing.keys() == {str(CID.for_raw(data)) for data in [*pictures, b"an old one"]}
    assert set(all_missing.values()) <= {f"at://{account.did}/{path}" for path in records}
    assert all_missing[str(CID.for_raw(pictures[3]))] == f"at://{account.did}/app.bsky.feed.post/3"
    for limit in (1, 2, 6):
        assert missing(account, limit) == all_missing
    assert counts(account) == (7, 6, 0)
    for data in pictures:
        upload(account, data)
    upload(account, b"an old one", "text/plain")
    assert missing(account) == {}
    assert counts(account) == (7, 6, 6)


def test_a_blob_may_come_before_the_repository(account: Account) -> None:
    early, late = png(1), png(2)
    upload(account, early)
    bring(account, {"app.bsky.feed.post/1": showing(blob(early), blob(late))})
    assert missing(account).keys() == {str(CID.for_raw(late))}
    upload(account, late)
    assert counts(account) == (1, 2, 2)
    # The reference leaves the early one where nobody can read it.
    for data in [late] if isinstance(account.server, ReferencePds) else [early, late]:
        assert read(account, data) == (data, "image/png")


def test_a_profile_whose_avatar_was_said_to_be_something_else_can_be_edited(
    account: Account, wanderer: Wanderer
) -> None:
    """Its last server believed what the app said of the picture, and this one has looked."""
    picture = png(3)
    for said in ({"mimeType": "image/jpeg"}, {"size": 7}):
        avatar = {**blob(picture), **said}  # type: ignore[dict-item]
        bring(account, {f"{PROFILE}/self": {"$type": PROFILE, "displayName": "of before", "avatar": avatar}})
        upload(account, picture)
        if said == {"mimeType": "image/jpeg"}:
            wanderer.point_at(account)
            activate(account)
        where = {"repo": account.did, "collection": PROFILE, "rkey": "self"}
        profile = account.query(f"{REPO}.getRecord", **where)["value"]
        account.procedure(f"{REPO}.putRecord", **where, record={**profile, "displayName": "of now"})
        after = account.query(f"{REPO}.getRecord", **where)["value"]
        assert after == {**profile, "displayName": "of now"}
        assert read(account, picture) == (picture, "image/png")


def test_another_import_takes_the_place_of_the_first(account: Account) -> None:
    def path(n: int) -> str:
        return f"app.bsky.feed.post/{n:03}"

    first = {path(n): post(f"{n}") for n in range(60)}
    second = {**{path(n): post(f"{n}") for n in range(30)}, **{path(n): post(f"new {n}") for n in range(40, 90)}}
    bring(account, first)
    before = revision(account)
    bring(account, second)
    assert texts(account) == {path: value["text"] for path, value in second.items()}
    middle = revision(account)
    bring(account, second)
    assert texts(account) == {path: value["text"] for path, value in second.items()}
    assert before < middle < revision(account)


def test_what_was_exported_is_taken_again_by_the_account_it_came_from(account: Account, wanderer: Wanderer) -> None:
    bring(account, {"app.bsky.feed.post/1": post("one")})
    wanderer.point_at(account)
    activate(account)
    account.post("two", rkey=TWO)
    exported = export(account)
    account.post("too much")
    assert import_repo(account, exported)[0] == 200
    assert texts(account) == {"app.bsky.feed.post/1": "one", f"app.bsky.feed.post/{TWO}": "two"}
    account.post("and goes on", rkey=THREE)
    assert texts(account)[f"app.bsky.feed.post/{THREE}"] == "and goes on"


def test_a_file_of_what_is_new_brings_a_repository_up_to_date(account: Account) -> None:
    """What getRepo with `since` gives: the blocks that the account has already are not in it."""
    records = {f"app.bsky.feed.post/{n:03}": post(f"{n}") for n in range(200)}
    first = Foreign(records, Did(account.did))
    assert import_repo(account, first.car())[0] == 200
    del records["app.bsky.feed.post/050"]
    records |= {"app.bsky.feed.post/100": post("changed"), "app.bsky.feed.post/300": post("new")}
    second = Foreign(records, Did(account.did), rev=Tid("3jzfcijpj2z2b"))
    whole = second.car()
    for cid in first.blocks:
        second.blocks.pop(cid, None)
    assert len(second.car()) < len(whole) / 5
    assert import_repo(account, second.car())[0] == 200
    assert texts(account) == {path: value["text"] for path, value in records.items()}


def texts(account: Account) -> dict[str, object]:
    return {path: record.value["text"] for path, record in records_of(account).items()}  # type: ignore[index,call-overload]


def revision(account: Account) -> str:
    rev: str = account.query(f"{SERVER}.checkAccountStatus")["repoRev"]
    return rev


def read(account: Account, data: bytes) -> tuple[bytes, str]:
    url = f"{account.server.url}/xrpc/{SYNC}.getBlob?did={account.did}&cid={CID.for_raw(data)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {account.access}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


def activate(account: Account) -> None:
    url = f"{account.server.url}/xrpc/{SERVER}.activateAccount"
    headers = {"Authorization": f"Bearer {account.access}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="POST"), timeout=30) as answer:
        assert answer.status == 200
