"""The consent page of an app whose documents are published, drawn without an internet to publish them in."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace

from tempest_pds.http.context import ServerInfo
from tempest_pds.http.pages.people.authorize.app_view import AppView
from tempest_pds.http.pages.people.languages import LANGUAGES, Texts
from tempest_pds.http.pages.people.wording.permissions import describe
from tempest_pds.http.pages.rendering import Templates
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.scope_set import ScopeSet

_SCOPE = (
    "atproto include:com.example.basic?aud=did:web:api.example.com%23notes include:org.example.unknown repo:* blob:*/*"
)
_APP = AppView(
    name="Notes for everybody who has ever taken a note",
    host="notes.example.com",
    client_id="https://notes.example.com/client.json",
    is_ours=False,
    destination="elsewhere.example.org",
    answers_to="https://elsewhere.example.org/callback",
    policy="https://notes.example.com/privacy",
    terms="https://notes.example.com/terms",
)
_PERMISSIONS = [
    {"type": "permission", "resource": "repo", "collection": ["com.example.note", "com.example.folder"]},
    {"type": "permission", "resource": "rpc", "lxm": ["com.example.getNotes"], "inheritAud": True},
]


def drawn_consent(language: str) -> str:
    """Draw it; it asks for a set of permissions with the words of its publisher, and for one that is not at hand."""
    main = {
        "type": "permission-set",
        "title": "Keep your notes",
        "detail": "All that a notebook needs.",
        "permissions": _PERMISSIONS,
    }
    known = PermissionSet.parse("com.example.basic", {"lexicon": 1, "id": "com.example.basic", "defs": {"main": main}})
    scopes, texts = ScopeSet.parse(_SCOPE), Texts(language)
    entries = describe(scopes, texts, {known.nsid: known})
    return Templates().text(
        "people/authorize/consent.html",
        server=ServerInfo(
            version="1",
            hostname="pds.example.com",
            name="A harbour",
            public_url="https://pds.example.com",
            did="did:web:pds.example.com",
            handle_domains=(".pds.example.com",),
            invite_required=False,
            blob_max_bytes=1,
        ),
        t=texts,
        languages=LANGUAGES,
        here="/",
        accounts=[],
        form_token="",
        notice=None,
        script=None,
        account_path=lambda *_: "#",
        with_query=lambda *_: "#",
        step_path=lambda *_: "#",
        request_id="",
        app=_APP,
        account=SimpleNamespace(handle="alice.pds.example.com", did="did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        expected=None,
        groups=[(group, list(members)) for group, members in groupby(entries, key=lambda entry: entry.group)],
        unticked=set(),
        can_untick=True,
        scopes=[scope.spelling for scope in scopes],
        unknown=[],
    )
