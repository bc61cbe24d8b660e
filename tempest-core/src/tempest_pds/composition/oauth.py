"""The OAuth provider, made in one place. Part of the composition root."""

from __future__ import annotations

from tempest_pds.composition.accounts import token_secret
from tempest_pds.composition.data import OpenedData
from tempest_pds.composition.oauth_clients import OAuthClients
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.browsers import Browsers
from tempest_pds.services.oauth.access_tokens import AccessTokens
from tempest_pds.services.oauth.code_grant import CodeGrant
from tempest_pds.services.oauth.consents import Consents
from tempest_pds.services.oauth.grants import AppGrants
from tempest_pds.services.oauth.permission_sets import PermissionSets
from tempest_pds.services.oauth.provider import Provider
from tempest_pds.services.oauth.refresh_grant import RefreshGrant
from tempest_pds.services.oauth.refresh_tokens import RefreshTokens
from tempest_pds.services.oauth.request_objects import RequestObjects
from tempest_pds.services.oauth.requests import AuthorizationRequests
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.oauth.tokens import OAuthTokens
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.settings import Settings


def make_oauth(
    settings: Settings,
    data: OpenedData,
    writer: AccountWriter,
    clients: OAuthClients,
    permission_sets: PermissionSets,
    hooks: AccountHooks,
    events: SecurityEvents,
    browsers: Browsers,
) -> Provider:
    """Make the provider; nothing is opened."""
    issuer = settings.public_url
    store = data.accounts
    refresh_tokens = RefreshTokens.of_secret(token_secret(settings, data.keys))
    sessions = OAuthSessions(store, writer, hooks, events, now_us)
    requests = AuthorizationRequests(
        store=store,
        writer=writer,
        browsers=browsers,
        clients=clients.clients,
        permission_sets=permission_sets,
        request_objects=RequestObjects(issuer),
        issuer=issuer,
        clock=now_us,
    )
    return Provider(
        clients=clients.clients,
        client_authentication=clients.authentication,
        proofs=clients.proofs,
        keys=clients.keys,
        requests=requests,
        tokens=OAuthTokens(
            store=store,
            writer=writer,
            sessions=sessions,
            codes=CodeGrant(store, writer, sessions, clients.authentication, now_us),
            refreshes=RefreshGrant(
                store, writer, sessions, refresh_tokens, clients.authentication, permission_sets, now_us
            ),
            access_tokens=AccessTokens(
                clients.keys, issuer=issuer, audience=Did.parse(settings.service_did), clock=now_us
            ),
            refresh_tokens=refresh_tokens,
        ),
        sessions=sessions,
        consents=Consents(store),
        grants=AppGrants(requests, hooks, events),
        permission_sets=permission_sets,
    )
