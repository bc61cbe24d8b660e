"""The apps that may act for an account, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.app_view import app_name
from tempest_pds.http.pages.people.own_paths import account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.pages.people.wording.entries import Entry
from tempest_pds.http.pages.people.wording.permissions import describe
from tempest_pds.protocol.oauth.loopback_client import DEFAULT_REDIRECT_URIS
from tempest_pds.services.oauth.sessions import OAuthSessionView


@dataclass(frozen=True, slots=True)
class _App:
    """One client with its sessions, the last used first; it may have none, and be let in again unseen.

    What is allowed in a session is None where there is no room to say it.

    Attributes:
        host: where it is at home; None for an app in development, on the owner's own machine.
        addresses: where one in development may be, which tells it from another.
    """

    client_id: str
    name: str | None
    host: str | None
    addresses: tuple[str, ...]
    sessions: list[tuple[OAuthSessionView, list[Entry] | None]]

    @classmethod
    def of(cls, client_id: str, name: str | None) -> Self:
        """Begin the entry of a client."""
        url = urlsplit(client_id)
        if url.hostname != "localhost":
            return cls(client_id, name, url.hostname, (), [])
        named = [value for field, value in parse_qsl(url.query) if field == "redirect_uri"]
        return cls(client_id, name, None, tuple(named or DEFAULT_REDIRECT_URIS), [])


MOST_SHOWN: Final = 50_000
"""Characters of what apps may do, on the page. Two hundred sessions that may do a lot would hold up everybody."""


@people_page("GET", "/account/*/apps")
async def list_apps(visit: Visit) -> Response:
    """List the apps that may act for the account, the last used first."""
    account = visit.account().account
    apps: dict[str, _App] = {}
    oauth, room = visit.services.oauth, MOST_SHOWN
    for session in oauth.sessions.list_for(account.did):
        app = apps.setdefault(session.client_id, _App.of(session.client_id, app_name(session.client_name)))
        entries = None
        if room > 0:
            entries = describe(session.scopes, visit.texts, oauth.permission_sets.at_hand(session.scopes))
            room -= len(session.scope) + sum(map(_length, entries))
        app.sessions.append((session, entries))
    # Those that have no session now, and may come back for one.
    for client_id in oauth.consents.clients(account.did):
        apps.setdefault(client_id, _App.of(client_id, None))
    return visit.page("people/apps.html", account=account, apps=list(apps.values()))


@people_page("POST", "/account/*/apps/revoke")
async def revoke_app(visit: Visit) -> Response:
    """End all sessions of an app, which has to ask anew."""
    did = visit.account().account.did
    await visit.services.oauth.sessions.revoke_client(did, visit.form.get("client", ""), visit.visitor)
    return visit.redirect(account_path(did, "apps"), notice="The app cannot use your account any more.")


@people_page("POST", "/account/*/apps/end-session")
async def end_app_session(visit: Visit) -> Response:
    """End one session of an app."""
    did = visit.account().account.did
    await visit.services.oauth.sessions.revoke(did, visit.form.get("session", ""), visit.visitor)
    return visit.redirect(account_path(did, "apps"), notice="The app is signed out there.")


def _length(entry: Entry) -> int:
    return len(entry.title) + sum(map(len, entry.lines))


PAGES: Final[tuple[PeoplePage, ...]] = (list_apps, revoke_app, end_app_session)
