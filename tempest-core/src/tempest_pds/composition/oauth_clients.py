"""What the OAuth provider knows clients by, and signs with, made in one place. Part of the composition root."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from tempest_pds.composition.data import OpenedData
from tempest_pds.composition.network import Network
from tempest_pds.remote.client_documents import ClientDocuments
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.oauth.client_authentication import ClientAuthentication
from tempest_pds.services.oauth.clients import Clients
from tempest_pds.services.oauth.dpop import DpopProofs
from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.settings import Settings
from tempest_pds.stores.oauth_key_file import OAuthKeyFile


@dataclass(frozen=True, slots=True)
class OAuthClients:
    """Clients, their proofs, and the keys of this server."""

    clients: Clients
    authentication: ClientAuthentication
    proofs: DpopProofs
    keys: SigningKeys


def make_oauth_clients(
    settings: Settings, data: OpenedData, writer: AccountWriter, network: Network, stack: AsyncExitStack
) -> OAuthClients:
    """Make them; the stack closes what they open. Raises OAuthKeysBroken."""
    documents = ClientDocuments(network.apps)
    stack.push_async_callback(documents.close)
    clients = Clients(documents, trusted=settings.oauth_trusted_clients, store=data.accounts, writer=writer)
    return OAuthClients(
        clients=clients,
        authentication=ClientAuthentication(clients, issuer=settings.public_url),
        proofs=DpopProofs(),
        keys=SigningKeys(OAuthKeyFile(data.directory.oauth_keys)),
    )
