"""Letting an app do something with an account, once its owner wants it: asked of plugins, noted, and told."""

from __future__ import annotations

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.oauth.requests import AuthorizationRequests, AuthorizationResponse, OpenRequest
from tempest_pds.services.policies import AppGrant, check_consent, tell_app_authorized
from tempest_pds.services.security_event_kinds import EventKind, told_of_app
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sign_in import Visitor
from tempest_pds.stores.account.accounts import Account


class AppGrants:
    """Allow what was asked for, or less."""

    def __init__(self, requests: AuthorizationRequests, hooks: AccountHooks, events: SecurityEvents) -> None:
        self._requests = requests
        self._hooks = hooks
        self._events = events

    async def allow(
        self, request: OpenRequest, account: Account, scopes: ScopeSet, visitor: Visitor
    ) -> AuthorizationResponse:
        """Make a code for the client.

        Raises:
            Forbidden: a plugin's policy is against it; the request is still open.
            RequestRefused, OAuthError: as `AuthorizationRequests.grant`.
        """
        client = request.client
        grant = AppGrant(
            account=account,
            client_id=client.client_id,
            client_name=client.metadata.client_name,
            scopes=tuple(scope.spelling for scope in scopes),
            client_ip=visitor.client_ip,
        )
        check_consent(self._hooks, grant)
        response = await self._requests.grant(
            request, visitor.browser, account.did, scopes, client_ip=visitor.client_ip
        )
        # An app may sign its person in with each page that is looked at.
        await self._events.note_once_a_day(
            account.did,
            EventKind.APP_AUTHORIZED,
            visitor,
            **told_of_app(client.client_id, client.metadata.client_name),
        )
        tell_app_authorized(self._hooks, grant)
        return response
