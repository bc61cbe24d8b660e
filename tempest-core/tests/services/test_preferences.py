from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.preferences import Preferences
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores

T = TypeVar("T")
ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
OWNER = Credentials(ALICE, Scope.ACCESS, Kind.ACCESS)
APP = Credentials(ALICE, Scope.APP_PASS_PRIVILEGED, Kind.ACCESS)
ADULT: dict[str, Any] = {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": False}
FEEDS: dict[str, Any] = {"$type": "app.bsky.actor.defs#savedFeedsPrefV2", "items": [{"id": "3k", "pinned": True}]}
BORN: dict[str, Any] = {"$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": "2010-06-15T00:00:00.000Z"}


class Writer:
    async def change_file(self, store: ActorStore, change: Callable[[ActorStore], T]) -> T:
        return change(store)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[ActorStores]:
    made = ActorStores(tmp_path)
    made.create(ALICE).release()
    yield made
    made.close()


@pytest.fixture
def preferences(stores: ActorStores) -> Preferences:
    return Preferences(stores, Writer(), today=lambda: date(2026, 6, 15))


def age(over13: bool, over16: bool, over18: bool) -> dict[str, Any]:
    return {
        "$type": "app.bsky.actor.defs#declaredAgePref",
        "isOverAge13": over13,
        "isOverAge16": over16,
        "isOverAge18": over18,
    }


async def test_what_is_put_comes_back_in_order_and_is_replaced(preferences: Preferences) -> None:
    assert preferences.get(OWNER) == []
    await preferences.put(OWNER, [FEEDS, ADULT])
    assert preferences.get(OWNER) == [FEEDS, ADULT]
    await preferences.put(OWNER, [ADULT])
    assert preferences.get(APP) == [ADULT]


async def test_two_of_one_kind_are_both_kept(preferences: Preferences) -> None:
    await preferences.put(OWNER, [ADULT, ADULT])
    assert preferences.get(OWNER) == [ADULT, ADULT]


async def test_a_birth_date_is_the_owners_and_an_age_is_worked_out_of_it(preferences: Preferences) -> None:
    await preferences.put(OWNER, [BORN, ADULT, age(True, True, True)])
    assert preferences.get(OWNER) == [BORN, ADULT, age(True, True, False)]
    assert preferences.get(APP) == [ADULT, age(True, True, False)]


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("2013-06-15", age(True, False, False)),
        ("2013-06-16", age(False, False, False)),
        ("2008-06-15", age(True, True, True)),
    ],
)
async def test_one_comes_of_age_on_the_birthday(preferences: Preferences, born: str, expected: dict[str, Any]) -> None:
    await preferences.put(OWNER, [{**BORN, "birthDate": f"{born}T00:00:00Z"}])
    assert preferences.get(APP) == [expected]


@pytest.mark.parametrize("born", ["yesterday", None, 5, "2010-99-99"])
async def test_a_birth_date_that_is_none_tells_no_age(preferences: Preferences, born: Any) -> None:
    await preferences.put(OWNER, [{**BORN, "birthDate": born}])
    assert preferences.get(APP) == []


async def test_an_app_cannot_set_or_lose_what_it_cannot_see(preferences: Preferences) -> None:
    await preferences.put(OWNER, [BORN, ADULT])
    with pytest.raises(InvalidRequest, match="Do not have authorization to set preferences"):
        await preferences.put(APP, [BORN])
    await preferences.put(APP, [FEEDS])
    assert preferences.get(OWNER) == [BORN, FEEDS, age(True, True, False)]


@pytest.mark.parametrize(
    "bad", [{"enabled": True}, {"$type": 5}, "x", {"$type": "com.example.pref"}, {"$type": "app.bskyx.pref"}]
)
async def test_only_typed_preferences_of_the_namespace_are_kept(preferences: Preferences, bad: Any) -> None:
    await preferences.put(OWNER, [ADULT])
    with pytest.raises(InvalidRequest):
        await preferences.put(OWNER, [FEEDS, bad])
    assert preferences.get(OWNER) == [ADULT]


async def test_an_account_without_a_file_has_none(preferences: Preferences) -> None:
    stranger = Credentials(Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"), Scope.ACCESS, Kind.ACCESS)
    with pytest.raises(RepoNotFound):
        preferences.get(stranger)
    with pytest.raises(RepoNotFound):
        await preferences.put(stranger, [ADULT])
