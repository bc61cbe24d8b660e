"""Permission sets; `tests/interop` compares what they stand for with the reference."""

from typing import Any

import pytest

from tempest_pds.protocol.oauth.errors import InvalidPermissionSet, InvalidScope
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.permissions import IncludeScope
from tempest_pds.protocol.oauth.scope_set import ScopeSet

NSID = "com.example.app.authBasic"
SERVICE = "did:web:api.example.com#svc"


def document(*permissions: Any, **main: Any) -> dict[str, Any]:
    return {
        "lexicon": 1,
        "id": NSID,
        "defs": {"main": {"type": "permission-set", "permissions": list(permissions), **main}},
    }


def permission(resource: str, **params: Any) -> dict[str, Any]:
    return {"type": "permission", "resource": resource, **params}


def granted(*permissions: Any, audience: str | None = None) -> list[str]:
    found = PermissionSet.parse(NSID, document(*permissions)).granted_by(IncludeScope(NSID, audience))
    return [str(each) for each in found]


def test_a_set_stands_for_permissions_of_its_own_group() -> None:
    assert granted(
        permission("repo", collection=["com.example.app.post", "com.example.app.deep.er"], action=["create"]),
        permission("rpc", lxm=["com.example.app.get"], aud="*"),
    ) == [
        "repo?collection=com.example.app.deep.er&collection=com.example.app.post&action=create",
        "rpc:com.example.app.get?aud=*",
    ]


@pytest.mark.parametrize(
    "written",
    [
        permission("repo", collection=["*"]),
        permission("repo", collection=["com.example.post"]),
        permission("repo", collection=["com.example.apple.post"]),
        permission("repo", collection=["com.example.app.post", "org.other.post"]),
        permission("repo", collection="com.example.app.post"),
        permission("repo", collection=[]),
        permission("repo", collection=["com.example.app.post"], action=["read"]),
        permission("repo", collection=["com.example.app.post"], unknown=True),
        permission("rpc", lxm=["*"], aud="*"),
        permission("rpc", lxm=["com.example.app.get"], aud=SERVICE),
        permission("rpc", lxm=["com.example.app.get"]),
        permission("rpc", lxm=["com.example.app.get"], inheritAud=True, aud="*"),
        permission("rpc", lxm=["com.example.app.get"], inheritAud=False),
        permission("blob", accept=["*/*"]),
        permission("account", attr="email"),
        permission("identity", attr="*"),
        permission("include", nsid="com.example.app.other"),
    ],
)
def test_a_permission_that_goes_beyond_falls_away_alone(written: dict[str, Any]) -> None:
    good = permission("repo", collection=["com.example.app.post"])
    assert granted(written, good, audience=SERVICE) == ["repo:com.example.app.post"]


def test_a_service_is_inherited_from_the_scope() -> None:
    written = permission("rpc", lxm=["com.example.app.get"], inheritAud=True)
    assert granted(written, audience=SERVICE) == ["rpc:com.example.app.get?aud=did:web:api.example.com%23svc"]
    assert granted(written) == []


def test_a_set_keeps_its_texts() -> None:
    found = PermissionSet.parse(NSID, document(title="Basics", **{"title:lang": {"de": "Grundlagen"}}, detail="All."))
    assert (found.title, found.titles, found.detail, found.details) == ("Basics", {"de": "Grundlagen"}, "All.", {})


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {"lexicon": 1, "id": NSID, "defs": {"main": {"type": "record"}}},
        {**document(), "lexicon": 2},
        {**document(), "id": "com.example.app.other"},
        document(permissions={}),
        document("repo"),
        document({"type": "other", "resource": "repo"}),
        document(permission("")),
        document(permission("repo", collection=[{}])),
        document(permission("repo", collection=["a.b.c", 1])),
        document(permission("repo", action=None)),
        document(title=1),
        document(**{"detail:lang": {"de": 1}}),
    ],
)
def test_what_is_no_permission_set_is_refused(broken: object) -> None:
    with pytest.raises(InvalidPermissionSet):
        PermissionSet.parse(NSID, broken)


def test_a_scope_set_is_expanded() -> None:
    found = PermissionSet.parse(NSID, document(permission("rpc", lxm=["com.example.app.get"], inheritAud=True)))
    scopes = ScopeSet.parse(f"atproto include:{NSID}?aud={SERVICE} blob:*/*")
    assert not scopes.allows_rpc("com.example.app.get", SERVICE)
    assert [include.nsid for include in scopes.includes] == [NSID]
    expanded = scopes.expanded({NSID: found})
    assert str(expanded) == "rpc:com.example.app.get?aud=did:web:api.example.com%23svc atproto blob:*/*"
    assert expanded.allows_rpc("com.example.app.get", SERVICE)
    assert expanded.expanded({}) == expanded
    with pytest.raises(InvalidScope, match=NSID):
        scopes.expanded({})


@pytest.mark.parametrize(
    "texts",
    [{}, {"title": "A", "title:lang": {"de": "B"}}, {"detail": "C", "detail:lang": {"fr": "D", "pt-BR": "E"}}],
)
def test_a_set_may_be_written_down_and_read_again(texts: dict[str, Any]) -> None:
    written = document(permission("rpc", lxm=["com.example.app.get"], inheritAud=True), **texts)
    known = PermissionSet.parse(NSID, {**written, "description": "of no use here"})
    assert known.document == written
    assert PermissionSet.parse(NSID, known.document) == known
