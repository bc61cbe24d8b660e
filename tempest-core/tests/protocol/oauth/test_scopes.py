"""Scope values and sets of them; `tests/interop` compares thousands with the reference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.oauth.errors import InvalidScope, ScopeMissing
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
from tempest_pds.protocol.oauth.scope_syntax import ScopeSyntax

SERVICE = "did:web:api.example.com#svc"
PLC = "did:plc:ewvi7nxzyoun6zhxrhs64oiz#bsky_appview"

nsids = st.sampled_from(["com.example.a", "com.example.b", "app.bsky.feed.post", "chat.bsky.convo.sendMessage"])
nsids_or_any = st.lists(nsids | st.just("*"), min_size=1, max_size=4).map(tuple)
audiences = st.sampled_from([SERVICE, PLC, "did:web:localhost%3A8080#a%20b", "did:web:x.test#a+b~c!'()*&=?"])
mimes = st.from_regex(r"[a-z+.%~!'\u00e9]{1,5}/[a-z+.%~&=#\u00e9]{1,5}", fullmatch=True)
patterns = mimes | st.sampled_from(["*/*", "image/*", "text/*", "image/svg+xml", "image/png"])
rpc_parts = st.tuples(nsids_or_any, audiences | st.just("*")).filter(
    lambda parts: not ("*" in parts[0] and parts[1] == "*")
)
permissions: st.SearchStrategy[Any] = st.one_of(
    st.builds(RepoPermission, nsids_or_any, st.lists(st.sampled_from(REPO_ACTIONS), min_size=1).map(tuple)),
    rpc_parts.map(lambda parts: RpcPermission(*parts)),
    st.builds(BlobPermission, st.lists(patterns, min_size=1, max_size=4).map(tuple)),
    st.builds(
        AccountPermission,
        st.sampled_from(ACCOUNT_ATTRIBUTES),
        st.lists(st.sampled_from(ACCOUNT_ACTIONS), min_size=1).map(tuple),
    ),
    st.builds(IdentityPermission, st.sampled_from(IDENTITY_ATTRIBUTES)),
    st.builds(IncludeScope, nsids, st.none() | audiences),
    st.sampled_from(StaticScope),
)
values = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(ScopeSyntax, st.just("x"), st.none() | values, st.lists(st.tuples(values, values)).map(tuple)))
def test_a_scope_value_reads_back_as_it_was_written(syntax: ScopeSyntax) -> None:
    assert ScopeSyntax.parse(syntax.format()) == syntax
    assert syntax.format().isascii()


@given(permissions)
def test_a_permission_reads_back_as_it_was_written(permission: Any) -> None:
    scope = Scope.parse(str(permission))
    assert scope.meaning == permission
    assert scope.normal == str(permission)


@given(values)
def test_any_text_is_understood_or_refused(text: str) -> None:
    for prefix in ("", "repo:", "rpc?", "blob:", "account:email?", "include:a.b.c?"):
        try:
            scope = Scope.parse(prefix + text)
        except InvalidScope:
            continue
        assert Scope.parse(scope.normal).normal == scope.normal


def answers(scopes: ScopeSet) -> set[str]:
    found = {f"repo {c} {a}" for c in ("com.example.a", "x.y.z") for a in REPO_ACTIONS if scopes.allows_repo(c, a)}
    for lxm in ("com.example.a", "chat.bsky.convo.sendMessage", "x.y.z", "*"):
        found |= {f"rpc {lxm} {aud}" for aud in (SERVICE, PLC, "did:web:other.test#x") if scopes.allows_rpc(lxm, aud)}
    found |= {f"blob {mime}" for mime in ("image/png", "text/plain", "image", "x/y") if scopes.allows_blob(mime)}
    for attribute in ACCOUNT_ATTRIBUTES:
        found |= {f"account {attribute} {a}" for a in ACCOUNT_ACTIONS if scopes.allows_account(attribute, a)}
    return found | {f"identity {attribute}" for attribute in IDENTITY_ATTRIBUTES if scopes.allows_identity(attribute)}


@given(st.lists(permissions), st.lists(permissions))
def test_narrowing_never_widens(asked: list[Any], ticked: list[Any]) -> None:
    scopes = ScopeSet.parse(" ".join(["atproto", *map(str, asked)]))
    narrowed = scopes.narrowed([str(permission) for permission in ticked])
    assert narrowed <= scopes
    assert answers(narrowed) <= answers(scopes)
    assert {scope.meaning for scope in narrowed} == {scope.meaning for scope in scopes} & {"atproto", *ticked}
    assert scopes.narrowed(str(scopes).split(" ")) == scopes


@given(st.lists(permissions))
def test_a_set_reads_back_from_both_of_its_forms(asked: list[Any]) -> None:
    scopes = ScopeSet.parse(" ".join([*map(str, asked), "atproto"]))
    assert ScopeSet.parse(str(scopes)) == ScopeSet.parse(scopes.normal) == scopes
    assert str(ScopeSet.parse(str(scopes))) == str(scopes)
    assert len({scopes, ScopeSet.parse(scopes.normal)}) == 1


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("repo?collection=b.c.d&collection=a.b.c", "repo?collection=a.b.c&collection=b.c.d"),
        ("repo?collection=a.b.c&collection=a.b.c", "repo:a.b.c"),
        ("repo?collection=a.b.c&collection=*", "repo:*"),
        ("repo:a.b.c?action=delete&action=create&action=delete", "repo:a.b.c?action=create&action=delete"),
        ("repo:a.b.c?action=delete&action=create&action=update", "repo:a.b.c"),
        ("rpc:a.b.c?aud=did:web:x.test#svc", "rpc:a.b.c?aud=did:web:x.test%23svc"),
        ("rpc?aud=*&lxm=a.b.c", "rpc:a.b.c?aud=*"),
        ("blob?accept=image/png&accept=Image/*&accept=text/plain", "blob?accept=image/*&accept=text/plain"),
        ("blob?accept=image/png&accept=*/*", "blob:*/*"),
        ("blob:image%2Fsvg+xml", "blob:image/svg+xml"),
        ("blob?accept=image/svg%2Bxml&accept=a/b", "blob?accept=a/b&accept=image/svg%2Bxml"),
        ("account:email?action=read", "account:email"),
        ("account?attr=repo&action=manage", "account:repo?action=manage"),
        ("identity:%2A", "identity:*"),
        ("include:a.b.c?aud=did:web:x.test#svc", "include:a.b.c?aud=did:web:x.test%23svc"),
    ],
)
def test_a_scope_has_one_normal_form(text: str, normal: str) -> None:
    assert Scope.parse(text).normal == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", "repo", "repo:", "repo:app.bsky.*", "repo:app.bsky", "repo:a.b.c?action=", "repo:a.b.c?action=read"),
        *("repo:a.b.c?collection=d.e.f", "repo:a.b.c?x=y", "repo:a.b.c?action=create&action=x", "REPO:a.b.c"),
        *("rpc:*?aud=*", "rpc?lxm=*&lxm=a.b.c&aud=*", "rpc:a.b.c", "rpc:a.b.c?aud=did:web:x.test", "rpc:a.b.c?aud=x"),
        *("rpc:a.b.c?aud=did:web:x.test#", "rpc:a.b.c?aud=did:web:x.test:p#s", "rpc:a.b.c?aud=did:key:z#s"),
        *("rpc:a.b.c?aud=did:plc:short#s", "rpc:a.b.c?aud=*&aud=*", "rpc:a.b.c?aud=did:web:x.test%253A8080#s"),
        *("blob", "blob:image", "blob:*", "blob:*/png", "blob:a/b/c", "blob:/b", "blob?accept=a/b&accept=c"),
        *("account:*", "account:password", "account:email?action=write", "account?attr=email&attr=repo"),
        *("identity:did", "identity:handle?action=manage", "include:a.b", "include:*", "include:a.b.c?aud=*"),
        *("repo:%zz", "blob:%FF/x", "repo:%", "transition:other", "atproto:", "openid", "space:a.b.c"),
    ],
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        Scope.parse(text)


def test_unknown_values_are_dropped_and_told() -> None:
    scopes = ScopeSet.parse("space:x atproto repo:%zz repo:a.b.c atproto")
    assert (str(scopes), scopes.unknown) == ("atproto repo:a.b.c", ("space:x", "repo:%zz"))


@pytest.mark.parametrize(
    "text", ["", "repo:a.b.c", "atproto  repo:a.b.c", " atproto", "atproto\n", 'atproto "', "atproto é"]
)
def test_a_list_is_well_formed_and_holds_atproto(text: str) -> None:
    with pytest.raises(InvalidScope):
        ScopeSet.parse(text)


def test_openid_is_refused_rather_than_dropped() -> None:
    with pytest.raises(InvalidScope, match="OpenID"):
        ScopeSet.parse("atproto openid")


def test_a_set_keeps_the_spelling_of_the_client() -> None:
    spelled = "rpc:a.b.c?aud=did:web:x.test#svc"
    scopes = ScopeSet.parse(f"atproto {spelled}")
    assert str(scopes) == f"atproto {spelled}"
    assert "rpc?lxm=a.b.c&aud=did:web:x.test%23svc" in scopes
    assert str(scopes.narrowed(["rpc:a.b.c?aud=did:web:x.test%23svc"])) == f"atproto {spelled}"


def test_a_service_is_matched_with_its_fragment() -> None:
    scopes = ScopeSet.parse("atproto rpc:a.b.c?aud=did:web:x.test#svc")
    assert scopes.allows_rpc("a.b.c", "did:web:x.test#svc")
    assert not scopes.allows_rpc("a.b.c", "did:web:x.test")
    assert not scopes.allows_rpc("a.b.c", "did:web:x.test#other")
    assert not scopes.allows_rpc("*", "did:web:x.test#svc")


def test_mime_types_are_compared_in_lower_case() -> None:
    scopes = ScopeSet.parse("atproto blob:Image/PNG")
    assert scopes.allows_blob("image/png")
    assert scopes.allows_blob("IMAGE/png")


@pytest.mark.parametrize("mime", ["", "image", "/", "image/", "a/b/c", "*/*", "image/*", "text/plain; charset=x"])
def test_what_is_no_mime_type_is_never_permitted_by_a_permission(mime: str) -> None:
    assert not ScopeSet.parse("atproto blob:*/*").allows_blob(mime)
    assert ScopeSet.parse("atproto transition:generic").allows_blob(mime)


def test_the_old_bundles_permit_no_more_than_they_did() -> None:
    generic = ScopeSet.parse("atproto transition:generic")
    assert generic.allows_repo("a.b.c", "delete")
    assert generic.allows_rpc("*", SERVICE)
    assert not generic.allows_rpc("chat.bsky.convo.sendMessage", SERVICE)
    assert not generic.allows_account("email", "read")
    assert not generic.allows_identity("handle")
    chat = ScopeSet.parse("atproto transition:chat.bsky")
    assert chat.allows_rpc("chat.bsky.convo.sendMessage", SERVICE)
    assert not chat.allows_rpc("app.bsky.feed.getTimeline", SERVICE)
    email = ScopeSet.parse("atproto transition:email")
    assert email.allows_account("email", "read")
    assert not email.allows_account("email", "manage")


def test_what_is_missing_is_named() -> None:
    scopes = ScopeSet.parse("atproto")
    for require, arguments, needed in (
        (scopes.require_repo, ("a.b.c", "create"), "repo:a.b.c?action=create"),
        (scopes.require_rpc, ("a.b.c", "did:web:x.test"), "rpc:a.b.c?aud=did:web:x.test"),
        (scopes.require_blob, ("image/png",), "blob:image/png"),
        (scopes.require_account, ("email", "read"), "account:email"),
        (scopes.require_identity, ("*",), "identity:*"),
    ):
        with pytest.raises(ScopeMissing) as missing:
            require(*arguments)
        assert missing.value.scope == needed
        assert str(missing.value) == f'Missing required scope "{needed}"'


def test_nothing_is_raised_for_what_is_permitted() -> None:
    scopes = ScopeSet.parse("atproto repo:* rpc:*?aud=did:web:x.test#s blob:*/* account:email?action=manage identity:*")
    scopes.require_repo("a.b.c", "create")
    scopes.require_rpc("*", "did:web:x.test#s")
    scopes.require_blob("a/b")
    scopes.require_account("email", "read")
    scopes.require_identity("handle")


def test_one_set_is_within_another_when_all_its_values_are() -> None:
    small, large = ScopeSet.parse("atproto repo:a.b.c"), ScopeSet.parse("repo?collection=a.b.c atproto blob:*/*")
    assert small <= large
    assert not large <= small
    assert small != large
    assert (len(small), len(large)) == (2, 3)
