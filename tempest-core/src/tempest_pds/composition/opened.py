"""What the root opens, and what the server says of itself. Part of the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.http.auth import AdminTokens, ServiceTokens, SessionTokens
from tempest_pds.http.context import ServerInfo, Services
from tempest_pds.http.dpop_scheme import AccessTokens, Proofs
from tempest_pds.http.pages.service import Directory
from tempest_pds.plugins import PluginManager
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.services.hosting import Hosting
from tempest_pds.settings import Settings
from tempest_pds.telemetry import software_version
from tempest_pds_plugins.telemetry_exporter import TelemetryExporter


@dataclass(frozen=True, slots=True)
class Opened:
    """What the HTTP layer needs of the rest."""

    services: Services
    sessions: SessionTokens
    service_tokens: ServiceTokens
    admin_tokens: AdminTokens
    proofs: Proofs
    access_tokens: AccessTokens
    hosting: Hosting
    directory: Directory
    page_key: bytes
    plugins: PluginManager
    plc_ledger: PlcLedger | None = None
    measurements: TelemetryExporter | None = None


def server_info(settings: Settings) -> ServerInfo:
    """Tell what the server says of itself."""
    return ServerInfo(
        version=software_version(),
        hostname=settings.hostname,
        name=settings.service_name,
        public_url=settings.public_url,
        did=settings.service_did,
        handle_domains=settings.handle_domains,
        invite_required=settings.invite_required,
        blob_max_bytes=settings.blob_max_bytes,
        repo_import_enabled=settings.repo_import_enabled,
        repo_import_max_bytes=settings.repo_import_max_bytes,
        contact_email=settings.contact_email,
        privacy_policy_url=settings.privacy_policy_url,
        terms_of_service_url=settings.terms_of_service_url,
    )
