"""The table of checks, in the order of the report: what is nearest to the machine first. A new check is one entry."""

from __future__ import annotations

from typing import Final

from tempest_pds.doctor.check import Check
from tempest_pds.doctor.checks.accounts import check_accounts
from tempest_pds.doctor.checks.adapters import check_backups, check_blob_store, check_mail
from tempest_pds.doctor.checks.clock import check_clock
from tempest_pds.doctor.checks.data_directory import check_data_directory
from tempest_pds.doctor.checks.dns import check_dns
from tempest_pds.doctor.checks.http import check_http
from tempest_pds.doctor.checks.limits import check_limits
from tempest_pds.doctor.checks.proxy import check_proxy
from tempest_pds.doctor.checks.relays import check_relays
from tempest_pds.doctor.checks.services import check_app_view, check_plc
from tempest_pds.doctor.checks.settings import check_settings
from tempest_pds.doctor.checks.tls import check_tls
from tempest_pds.doctor.checks.websocket import check_websocket
from tempest_pds.doctor.checks.well_known import check_well_known

CHECKS: Final = (
    Check("settings", "settings that the server starts with, and weak ones among them", check_settings),
    Check("data", "the data directory: durable, with room, its secrets closed", check_data_directory, inside=True),
    Check("limits", "open files, and the SQLite in use", check_limits, inside=True),
    Check("clock", "this machine's clock beside another's", check_clock),
    Check("dns", "public addresses of the hostname, and the wildcard for handles", check_dns, public=True),
    Check("tls", "certificates of the hostname and of a handle, and the redirect to HTTPS", check_tls, public=True),
    Check("http", "health and description, and that the public URL leads to this very server", check_http),
    Check("proxy", "the Host header, client addresses and the size of bodies", check_proxy, public=True),
    Check("websocket", "the firehose through the proxy", check_websocket),
    Check("well-known", "did.json, atproto-did and the metadata of OAuth", check_well_known),
    Check("plc", "the PLC directory", check_plc),
    Check("accounts", "DID documents, handles and signing keys of hosted accounts", check_accounts),
    Check("relays", "what each relay says of this server, and how far it has read", check_relays),
    Check("appview", "the AppView", check_app_view),
    Check("mail", "the selected mailer", check_mail, inside=True),
    Check("blobs", "the selected blob store", check_blob_store, inside=True),
    Check("backups", "the selected backup sink, and the age of the newest backup", check_backups, inside=True),
)
