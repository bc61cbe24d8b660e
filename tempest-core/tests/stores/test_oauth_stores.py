"""What is kept of authorization requests, consents, challenges and OAuth sessions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.oauth_client_documents import ClientDocument
from tempest_pds.stores.account.oauth_requests import OAuthRequest
from tempest_pds.stores.account.oauth_sessions import OAuthSession

ALICE, BOB = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), Did("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")
APP, OTHER_APP = "https://app.example/client.json", "https://other.example/client.json"
REQUEST = OAuthRequest(id_hash=b"id", client_id=APP, client_auth="{}", parameters="{}", created_at=1, expires_at=100)
SESSION = OAuthSession(
    id="one",
    did=ALICE,
    client_id=APP,
    client_name="App",
    client_auth="{}",
    dpop_jkt="key",
    scope="atproto",
    permissions="atproto",
    code_hash=b"code",
    generation=0,
    created_at=1,
    refreshed_at=1,
    used_at=1,
    client_ip="192.0.2.1",
    idle_after=100,
    ends_at=200,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AccountStore]:
    opened = AccountStore(tmp_path / "account.sqlite", synchronous="OFF")
    for did in (ALICE, BOB):
        opened.accounts.create(Account(did=did, handle=None, created_at=1))
    yield opened
    opened.close()


def test_a_request_is_found_by_its_id_and_once_granted_by_its_code(store: AccountStore) -> None:
    store.oauth_requests.add(REQUEST)
    assert store.oauth_requests.get(b"id") == REQUEST
    with_sets = replace(REQUEST, id_hash=b"other", permission_sets='{"com.example.set": {}}')
    store.oauth_requests.add(with_sets)
    assert store.oauth_requests.get(b"other") == with_sets
    store.oauth_requests.work_on(b"id", b"browser", 150)
    assert store.oauth_requests.get(b"id") == replace(REQUEST, browser=b"browser", expires_at=150)
    store.oauth_requests.grant(b"id", ALICE, "atproto", b"code", client_ip="192.0.2.1", expires_at=160)
    granted = replace(
        REQUEST,
        browser=b"browser",
        did=ALICE,
        scope="atproto",
        code_hash=b"code",
        client_ip="192.0.2.1",
        expires_at=160,
    )
    assert store.oauth_requests.by_code(b"code") == granted
    assert store.oauth_requests.by_code(b"other") is None
    assert store.oauth_requests.delete(b"id")
    assert not store.oauth_requests.delete(b"id")


def test_all_requests_of_a_browser_are_handed_over_and_no_others(store: AccountStore) -> None:
    for number, browser in enumerate((b"old", b"old", b"else", None)):
        store.oauth_requests.add(replace(REQUEST, id_hash=bytes([number]), browser=browser))
    store.oauth_requests.hand_over(b"old", b"new")
    found = [store.oauth_requests.get(bytes([number])) for number in range(4)]
    assert [request.browser for request in found if request] == [b"new", b"new", b"else", None]


def test_a_challenge_is_spent_until_its_time_is_over(store: AccountStore) -> None:
    assert store.oauth_challenges.spend("x", now=1, expires_at=10)
    assert not store.oauth_challenges.spend("x", now=9, expires_at=19)
    assert store.oauth_challenges.spend("y", now=9, expires_at=19)
    assert store.oauth_challenges.spend("x", now=10, expires_at=20)
    assert store.oauth_challenges.delete_expired(19) == 1
    assert not store.oauth_challenges.spend("x", now=19, expires_at=30)


def test_a_permission_set_that_is_kept_is_changed_by_its_publisher_alone(store: AccountStore) -> None:
    kept, nsid = store.oauth_permission_sets, "com.example.set"
    assert kept.get(nsid) is None
    kept.put(nsid, "heard", 5)
    kept.add(nsid, "older", 9)
    assert kept.get(nsid) == ("heard", 5)
    kept.put(nsid, "heard later", 10)
    assert kept.get(nsid) == ("heard later", 10)
    assert [kept.delete_unused(before) for before in (9, 10, 10)] == [0, 1, 0]


def test_of_what_a_client_has_published_the_youngest_is_kept(store: AccountStore) -> None:
    kept = store.oauth_client_documents
    assert kept.get(APP) is None
    for heard_at in (5, 9, 7):
        kept.put(ClientDocument(APP, b"heard at %d" % heard_at, heard_at))
    assert kept.get(APP) == (APP, b"heard at 9", 9)
    assert [kept.delete_old(before) for before in (8, 9)] == [0, 1]
    kept.put(ClientDocument(APP, b"", 10))
    assert [kept.delete(APP), kept.delete(APP)] == [True, False]


def test_the_last_consent_counts(store: AccountStore) -> None:
    store.oauth_consents.put(ALICE, APP, "atproto repo:*", 1)
    store.oauth_consents.put(ALICE, APP, "atproto", 2)
    assert store.oauth_consents.scope(ALICE, APP) == "atproto"
    assert store.oauth_consents.scope(BOB, APP) is None
    assert store.oauth_consents.scope(ALICE, OTHER_APP) is None
    assert store.oauth_consents.delete(ALICE, APP)
    assert store.oauth_consents.scope(ALICE, APP) is None


def test_a_refresh_changes_what_it_may_and_nothing_else(store: AccountStore) -> None:
    store.oauth_sessions.add(SESSION)
    refreshed = replace(
        SESSION,
        client_name="Renamed",
        client_auth='{"method": "none"}',
        scope="atproto",
        permissions="atproto repo:*",
        generation=7,
        refreshed_at=50,
        used_at=50,
        idle_after=150,
        ends_at=300,
    )
    attempt = replace(refreshed, did=BOB, client_id=OTHER_APP, dpop_jkt="stolen", code_hash=b"x", created_at=9)
    store.oauth_sessions.refresh(attempt)
    assert store.oauth_sessions.get("one") == refreshed


def test_sessions_are_listed_by_their_use_and_ended_by_whom_they_concern(store: AccountStore) -> None:
    rows = [("one", ALICE, APP), ("two", ALICE, APP), ("three", ALICE, OTHER_APP), ("four", BOB, APP)]
    for number, (name, did, client_id) in enumerate(rows):
        store.oauth_sessions.add(
            replace(SESSION, id=name, did=did, client_id=client_id, code_hash=name.encode(), used_at=number)
        )
    store.oauth_sessions.note_uses([("one", 9), ("gone", 9)])
    assert [session.id for session in store.oauth_sessions.of_account(ALICE)] == ["one", "three", "two"]
    assert not store.oauth_sessions.delete_of(BOB, "one")
    assert store.oauth_sessions.delete_of(ALICE, "one")
    second = store.oauth_sessions.by_code(b"two")
    assert second is not None
    assert store.oauth_sessions.delete(second.id)
    assert store.oauth_sessions.by_code(b"two") is None
    assert store.oauth_sessions.delete_client(ALICE, OTHER_APP) == 1
    assert store.oauth_sessions.delete_all(ALICE) == 0
    assert [session.id for session in store.oauth_sessions.of_account(BOB)] == ["four"]


def test_of_too_many_sessions_those_of_the_same_client_end_first_and_the_new_one_never(store: AccountStore) -> None:
    rows = [("one", OTHER_APP), ("two", APP), ("three", APP), ("four", OTHER_APP), ("new", APP)]
    for number, (name, client_id) in enumerate(rows):
        store.oauth_sessions.add(
            replace(SESSION, id=name, client_id=client_id, code_hash=name.encode(), used_at=-number)
        )
    store.oauth_sessions.add(replace(SESSION, id="another's", did=BOB, code_hash=b"b", used_at=-9))
    left = {5: "one two three four new", 4: "one two four new", 2: "one new", 1: "new"}
    for keep, names in left.items():
        store.oauth_sessions.delete_surplus(replace(SESSION, id="new"), keep)
        assert [session.id for session in store.oauth_sessions.of_account(ALICE)] == names.split()
    assert len(store.oauth_sessions.of_account(BOB)) == 1


@pytest.mark.parametrize(("now", "left"), [(99, 1), (100, 0)])
def test_what_is_idle_or_at_its_end_is_swept_out(store: AccountStore, now: int, left: int) -> None:
    store.oauth_sessions.add(SESSION)
    store.oauth_requests.add(REQUEST)
    assert store.oauth_sessions.delete_over(now) == 1 - left
    assert store.oauth_requests.delete_expired(now) == 1 - left


def test_nothing_is_left_of_a_deleted_account(store: AccountStore) -> None:
    store.oauth_sessions.add(SESSION)
    store.oauth_requests.add(REQUEST)
    store.oauth_requests.grant(b"id", ALICE, "atproto", b"code", client_ip=None, expires_at=100)
    store.oauth_consents.put(ALICE, APP, "atproto", 1)
    assert store.accounts.delete(ALICE)
    assert store.oauth_sessions.get("one") is None
    assert store.oauth_requests.get(b"id") is None
    assert store.oauth_consents.scope(ALICE, APP) is None


def test_what_ends_the_sessions_of_an_account_ends_all_kinds(store: AccountStore) -> None:
    store.oauth_sessions.add(SESSION)
    store.oauth_sessions.add(replace(SESSION, id="two", did=BOB, code_hash=b"two"))
    store.oauth_requests.add(REQUEST)
    store.oauth_requests.grant(b"id", ALICE, "atproto", b"code", client_ip=None, expires_at=100)
    store.refresh_tokens.add("token", ALICE, "scope", now=1, expires_at=100)
    for did in (ALICE, BOB):
        store.oauth_consents.put(did, APP, "atproto", 1)
    store.end_sessions(ALICE)
    assert store.oauth_consents.scope(ALICE, APP) is None
    assert store.oauth_consents.scope(BOB, APP) == "atproto"
    assert store.oauth_sessions.of_account(ALICE) == []
    assert store.oauth_requests.by_code(b"code") is None
    assert store.refresh_tokens.get("token") is None
    assert len(store.oauth_sessions.of_account(BOB)) == 1
