"""The parts of the OAuth provider that HTTP calls."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.services.oauth.client_authentication import ClientAuthentication
from tempest_pds.services.oauth.clients import Clients
from tempest_pds.services.oauth.consents import Consents
from tempest_pds.services.oauth.dpop import DpopProofs
from tempest_pds.services.oauth.grants import AppGrants
from tempest_pds.services.oauth.permission_sets import PermissionSets
from tempest_pds.services.oauth.requests import AuthorizationRequests
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.services.oauth.tokens import OAuthTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The OAuth provider, by noun."""

    clients: Clients
    client_authentication: ClientAuthentication
    proofs: DpopProofs
    keys: SigningKeys
    requests: AuthorizationRequests
    tokens: OAuthTokens
    sessions: OAuthSessions
    consents: Consents
    grants: AppGrants
    permission_sets: PermissionSets
