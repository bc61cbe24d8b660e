"""What a person reads of the scopes that an app asks for: all of it, once, in plain words."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.oauth_needs import MANAGES_EMAIL
from tempest_pds.http.pages.people import languages
from tempest_pds.http.pages.people.wording.entries import Danger, Entry, printable
from tempest_pds.http.pages.people.wording.method_actions import ACTIONS
from tempest_pds.http.pages.people.wording.permissions import describe
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.permissions import (
    ACCOUNT_ACTIONS,
    ACCOUNT_ATTRIBUTES,
    IDENTITY_ATTRIBUTES,
    REPO_ACTIONS,
    AccountPermission,
    BlobPermission,
    IdentityPermission,
    IncludeScope,
    RepoPermission,
    RpcPermission,
)
from tempest_pds.protocol.oauth.scope_set import Scope, ScopeSet, StaticScope

BLUESKY = "did:web:api.bsky.app#bsky_appview"


@dataclass(frozen=True)
class Texts:
    """English, and no other."""

    language: str = "en"

    def __call__(self, source: str, /, **values: object) -> str:
        return source.format(**values) if values else source


def entries_of(text: str, *sets: PermissionSet, language: str = "en") -> list[Entry]:
    """Describe scopes; the entry of `atproto`, which is in every set, is left out."""
    scopes = ScopeSet.parse(f"atproto {text}".strip())
    return [entry for entry in describe(scopes, Texts(language), {s.nsid: s for s in sets}) if not entry.fixed]


def entry_of(text: str, *sets: PermissionSet, language: str = "en") -> Entry:
    [entry] = entries_of(text, *sets, language=language)
    return entry


def permission_set(**members: Any) -> PermissionSet:
    main = {"type": "permission-set", "permissions": [], **members}
    return PermissionSet.parse(
        "com.example.authBasic", {"lexicon": 1, "id": "com.example.authBasic", "defs": {"main": main}}
    )


CONTENTS = [
    {"type": "permission", "resource": "repo", "collection": ["com.example.note"]},
    {"type": "permission", "resource": "rpc", "lxm": ["com.example.getNotes"], "inheritAud": True},
]

nsids = st.sampled_from(
    ["com.example.note", "app.bsky.feed.post", "chat.bsky.convo.sendMessage", "app.bsky.feed.getFeed"]
)
nsids_or_any = st.lists(nsids | st.just("*"), min_size=1, max_size=3).map(tuple)
audiences = st.sampled_from([BLUESKY, "did:web:localhost%3A8080#a", "did:plc:ewvi7nxzyoun6zhxrhs64oiz#x"])
meanings: st.SearchStrategy[Any] = st.one_of(
    st.builds(RepoPermission, nsids_or_any, st.lists(st.sampled_from(REPO_ACTIONS), min_size=1).map(tuple)),
    st.builds(RpcPermission, nsids_or_any, audiences),
    st.builds(RpcPermission, st.lists(nsids, min_size=1).map(tuple), st.just("*")),
    st.builds(BlobPermission, st.lists(st.sampled_from(["*/*", "image/*", "a/b", "image/png"]), min_size=1).map(tuple)),
    st.builds(
        AccountPermission,
        st.sampled_from(ACCOUNT_ATTRIBUTES),
        st.lists(st.sampled_from(ACCOUNT_ACTIONS), min_size=1).map(tuple),
    ),
    st.builds(IdentityPermission, st.sampled_from(IDENTITY_ATTRIBUTES)),
    st.builds(IncludeScope, st.sampled_from(["com.example.authBasic", "org.absent.auth"]), st.none() | audiences),
    st.sampled_from(StaticScope),
)
scope_sets = st.lists(meanings, max_size=8).map(
    lambda some: ScopeSet([Scope(str(one), one) for one in (StaticScope.ATPROTO, *some)])
)


@given(scope_sets)
def test_every_value_is_in_exactly_one_entry(scopes: ScopeSet) -> None:
    entries = describe(scopes, Texts(), {"com.example.authBasic": permission_set(permissions=CONTENTS)})
    assert sorted(value for entry in entries for value in entry.values) == sorted(scope.spelling for scope in scopes)
    assert len({entry.field for entry in entries}) == len(entries)


@given(scope_sets)
def test_every_entry_says_something_and_groups_stand_together(scopes: ScopeSet) -> None:
    entries = describe(scopes, Texts())
    assert all(entry.title and "{" not in " ".join((entry.title, *entry.lines)) for entry in entries)
    groups = [entry.group for entry in entries]
    assert sum(a != b for a, b in itertools.pairwise(groups)) == len(set(groups)) - 1


@given(scope_sets)
def test_what_is_unticked_is_not_granted_and_all_else_is(scopes: ScopeSet) -> None:
    for left_out in describe(scopes, Texts()):
        ticked = [value for entry in describe(scopes, Texts()) if entry != left_out for value in entry.values]
        expected = set(ticked) | {"atproto"}
        assert {scope.spelling for scope in scopes.narrowed(ticked)} == expected


@given(scope_sets)
def test_an_entry_that_is_called_covered_changes_nothing_when_it_is_unticked(scopes: ScopeSet) -> None:
    sets = {"com.example.authBasic": permission_set(permissions=CONTENTS)}
    known = ScopeSet(s for s in scopes if not (isinstance(s.meaning, IncludeScope) and s.meaning.nsid not in sets))
    for entry in describe(known, Texts(), sets):
        rest = known.narrowed([scope.spelling for scope in known if scope.spelling not in entry.values])
        if entry.is_covered:
            assert _answers(rest.expanded(sets)) == _answers(known.expanded(sets))


def _answers(scopes: ScopeSet) -> set[str]:
    found = {f"repo {c} {a}" for c in ("com.example.note", "x.y.z") for a in REPO_ACTIONS if scopes.allows_repo(c, a)}
    for lxm in ("com.example.note", "chat.bsky.convo.sendMessage", "x.y.z", "*"):
        found |= {f"rpc {lxm} {aud}" for aud in (BLUESKY, "did:web:x.test#x") if scopes.allows_rpc(lxm, aud)}
    found |= {f"blob {mime}" for mime in ("image/png", "a/b", "x/y") if scopes.allows_blob(mime)}
    for attribute in ACCOUNT_ATTRIBUTES:
        found |= {f"{attribute} {action}" for action in ACCOUNT_ACTIONS if scopes.allows_account(attribute, action)}
    return found | {f"identity {attribute}" for attribute in IDENTITY_ATTRIBUTES if scopes.allows_identity(attribute)}


def test_only_knowing_who_somebody_is_cannot_be_refused() -> None:
    [entry] = describe(ScopeSet.parse("atproto"), Texts())
    assert (entry.fixed, entry.title) == (True, "Know who you are")


@pytest.mark.parametrize(
    ("scope", "title"),
    [
        ("transition:generic", "Do nearly everything that you can do"),
        ("transition:chat.bsky", "Read and send your private messages"),
        ("transition:email", "See your e-mail address"),
        ("account:email", "See your e-mail address"),
        ("account:email?action=manage", "See your e-mail address, and confirm it"),
        ("account:status?action=manage", "Deactivate and reactivate your account"),
        ("account:repo?action=manage", "Replace all that your account holds by an archive"),
        ("identity:handle", "Change your handle"),
        ("identity:*", "Change your handle, your keys, and the server where your account is"),
        ("repo:app.bsky.feed.post", "Create, change and delete posts"),
        ("repo?collection=app.bsky.feed.like&collection=app.bsky.feed.post&action=create", "Create likes and posts"),
        ("repo:com.example.note?action=delete", "Delete data of the kind com.example.note"),
        ("repo:*?action=create", "Create everything that you publish"),
        ("blob:image/*", "Upload pictures"),
        ("blob?accept=video/*&accept=x/y", "Upload videos and files of the type x/y"),
        (f"rpc:*?aud={BLUESKY}", "Use Bluesky (api.bsky.app) in your name, for all that it offers"),
        ("rpc:com.example.a?aud=did:web:localhost%253A8080%23x", "Use the service localhost:8080 in your name"),
        ("rpc:com.example.a?aud=*", "Use any service on the network in your name"),
    ],
)
def test_a_value_is_said_in_plain_words(scope: str, title: str) -> None:
    assert entry_of(scope).title == title


@pytest.mark.parametrize(
    ("scope", "danger"),
    [
        ("repo:app.bsky.feed.post", Danger.ORDINARY),
        ("transition:email", Danger.ORDINARY),
        ("transition:chat.bsky", Danger.CARE),
        (f"rpc:chat.bsky.convo.sendMessage?aud={BLUESKY}", Danger.CARE),
        ("transition:generic", Danger.HIGH),
        ("repo:*", Danger.HIGH),
        ("account:email?action=manage", Danger.ORDINARY),
        ("account:repo?action=manage", Danger.HIGH),
        ("identity:handle", Danger.HIGH),
        ("rpc:com.atproto.server.createAccount?aud=*", Danger.HIGH),
    ],
)
def test_what_could_do_harm_stands_out_and_says_why(scope: str, danger: Danger) -> None:
    entry = entry_of(scope)
    assert entry.danger == danger
    assert bool(entry.warning) == (danger > Danger.ORDINARY)


def test_managing_the_address_lets_an_app_do_no_more_than_confirm_it() -> None:
    allowed = {nsid for nsid, access in METHOD_ACCESS.items() if access.oauth == MANAGES_EMAIL}
    assert allowed == {"com.atproto.server.confirmEmail", "com.atproto.server.requestEmailConfirmation"}


def test_a_few_methods_are_said_by_what_they_do() -> None:
    chat = "did:web:api.bsky.chat%23bsky_chat"
    assert entry_of(f"rpc:app.bsky.feed.getTimeline?aud={BLUESKY}").lines == ("That is: read your timeline",)
    assert entry_of(f"rpc?lxm=app.bsky.feed.getFeed&lxm=app.bsky.unspecced.x&lxm=a.b.c&aud={chat}").lines == (
        "That is: read feeds",
        "For: suggestions and trends",
        "For requests named a.b.c",
    )


def test_french_has_its_space_before_the_sign_between_methods() -> None:
    scopes = ScopeSet.parse(f"atproto rpc?lxm=app.bsky.feed.getTimeline&lxm=app.bsky.feed.getFeed&aud={BLUESKY}")
    _, entry = describe(scopes, languages.Texts("fr"), {})
    assert "\N{NO-BREAK SPACE}; " in entry.lines[0]


def test_methods_that_do_the_same_are_said_once() -> None:
    entry = entry_of(f"rpc?lxm=app.bsky.feed.searchPosts&lxm=app.bsky.feed.searchPostsV2&aud={BLUESKY}")
    assert entry.lines == ("That is: search for posts",)


def test_many_methods_are_said_by_what_they_are_about() -> None:
    asked = "&".join(f"lxm={nsid}" for nsid in list(ACTIONS)[:7])
    assert entry_of(f"rpc?{asked}&aud={BLUESKY}").lines == ("For: profiles and your Bluesky settings",)


def test_what_deletes_a_persons_messages_is_not_lost_among_many_methods() -> None:
    harmless = [nsid for nsid in ACTIONS if nsid.startswith("chat.bsky.convo.get")]
    asked = "&".join(f"lxm={nsid}" for nsid in [*harmless, "chat.bsky.actor.deleteAccount"])
    assert len(harmless) >= 6
    assert entry_of(f"rpc?{asked}&aud=did:web:api.bsky.chat%23bsky_chat").lines == (
        "That is: delete all that you have in Bluesky chat",
        "For: your private messages",
    )


@pytest.mark.parametrize(
    "scope",
    [
        "rpc:CHAT.bsky.convo.getMessages?aud=did:web:api.bsky.chat%23bsky_chat",
        "rpc:*?aud=did:web:api.bsky.chat%23another",
    ],
)
def test_private_messages_are_warned_of_however_they_are_named(scope: str) -> None:
    full, chat = entries_of(f"transition:generic {scope}")
    assert chat.warning == "What is in there concerns other people too."
    assert "Not: read or send private messages." not in full.lines


def test_a_type_of_files_adds_no_words_to_ours() -> None:
    said = quote("image/png\N{NO-BREAK SPACE}only.\N{NO-BREAK SPACE}It\u202e gets nothing".replace(" ", "\u2003"))
    assert entry_of(f"blob:{said}").title == (
        "Upload files of the type image/png%C2%A0only.%C2%A0it%E2%80%AE%E2%80%83gets%E2%80%83nothing"
    )
    assert len(entry_of("blob:image/" + "x" * 5_000).title) < 200


def test_the_methods_of_one_service_are_one_entry() -> None:
    entry = entry_of(
        " ".join(
            f"rpc:{method}?aud={BLUESKY}"
            for method in ("app.bsky.feed.getTimeline", "app.bsky.feed.getFeed", "com.example.a")
        )
    )
    assert entry.lines == ("That is: read your timeline; read feeds", "For requests named com.example.a")
    assert len(entry.values) == 3


def test_full_access_says_what_it_leaves_out_unless_something_else_grants_it() -> None:
    alone = " ".join(entry_of("transition:generic").lines)
    assert "Not: read or send private messages." in alone
    assert "Not: see your e-mail address." in alone
    full, *others = entries_of("transition:generic transition:email transition:chat.bsky")
    assert "Not:" not in " ".join(full.lines)
    assert len(others) == 2


def test_what_another_entry_allows_as_well_is_marked() -> None:
    covered = {
        e.values[0]: e.is_covered for e in entries_of("transition:generic repo:app.bsky.feed.post identity:handle")
    }
    assert covered == {"transition:generic": False, "repo:app.bsky.feed.post": True, "identity:handle": False}


def test_only_so_many_entries_are_held_against_each_other() -> None:
    many = " ".join(f"repo:com.example.a{number}" for number in range(100))
    assert not any(entry.is_covered for entry in entries_of(f"repo:* {many}"))


def test_a_set_is_read_no_more_often_when_others_are_asked_for_too() -> None:
    sets = [
        PermissionSet(f"com.example.s{number}", ({"type": "permission", "resource": "repo", "collection": ["*"]},))
        for number in range(20)
    ]
    asked = " ".join(f"include:{known.nsid}" for known in sets)
    with mock.patch.object(PermissionSet, "granted_by", autospec=True, return_value=()) as granted_by:
        assert len(entries_of(asked, *sets)) == len(sets)
    assert granted_by.call_count <= 2 * len(sets)


def test_a_set_is_told_by_its_title_with_its_publisher_and_what_it_contains() -> None:
    known = permission_set(title="Notes", detail="Keep your notes.", permissions=CONTENTS)
    entry = entry_of(f"include:com.example.authBasic?aud={BLUESKY}", known)
    assert (entry.title, entry.publisher, entry.detail) == ("Notes", "example.com", "Keep your notes.")
    assert entry.lines == (
        "Create, change and delete data of the kind com.example.note",
        "Use Bluesky (api.bsky.app) in your name",
        "For requests named com.example.getNotes",
    )


@pytest.mark.parametrize(("language", "title"), [("fr", "Notes (fr)"), ("pt-BR", "Notas"), ("de", "Notes")])
def test_a_set_is_told_in_the_language_of_the_page_where_it_can(language: str, title: str) -> None:
    known = permission_set(title="Notes", **{"title:lang": {"FR": "Notes (fr)", "pt": "Notas"}})
    assert entry_of("include:com.example.authBasic", known, language=language).title == title


def test_a_set_that_is_not_at_hand_is_told_by_its_name() -> None:
    entry = entry_of("include:com.example.authBasic")
    assert entry.title == "The set of permissions com.example.authBasic"
    assert entry.danger == Danger.CARE


def test_a_title_cannot_turn_the_writing_round_or_hide_the_page() -> None:
    known = permission_set(title="Harm\u202eless\n\u200b" + "x" * 500)
    title = entry_of("include:com.example.authBasic", known).title
    assert re.fullmatch(r"Harm less x+…", title)
    assert len(title) == 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u3164\u2800", ""),
        ("Bank\u3164\u3164\u3164Wallet", "Bank Wallet"),
        ("A" + "\u0353" * 500 + "pp", "A" + "\u0353" * 3 + "pp"),
        ("\u0489\u0489App", "App"),
        ("Việt Nam ❤️ 1️⃣", "Việt Nam ❤️ 1️⃣"),
    ],
)
def test_a_strangers_text_neither_hides_nor_covers_what_stands_beside_it(text: str, shown: str) -> None:
    assert printable(text, 60) == shown


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_a_strangers_text_is_one_short_line(text: str, limit: int) -> None:
    line = printable(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert line == line.strip()
