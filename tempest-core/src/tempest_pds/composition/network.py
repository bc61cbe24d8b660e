"""What reaches other people's servers, made in one place. Part of the composition root."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from tempest_pds.composition.data import OpenedData
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.name_servers import NameServers
from tempest_pds.remote.plc_directory import Plc, PlcDirectory
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.remote.slots import Slots
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.settings import Settings

# Requests on their way at once, each a connection. Those to one site, or for one account, leave room for others: what
# strangers run may keep every request waiting until its time is up, and a client may leave every answer unread.
_PASSED_ON, _PASSED_ON_PER_SITE, _PASSED_ON_PER_CALLER = 256, 64, 24
_LOOK_UPS, _LOOK_UPS_PER_SITE = 256, 16
_APPS, _APPS_PER_SITE = 256, 16
_CONFIGURED, _CONFIGURED_PER_SITE, _CONFIGURED_PER_CALLER = 384, 256, 48

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Network:
    """Clients and resolvers.

    Attributes:
        strangers: for addresses that anybody may have chosen: public ones only.
        configured: for services that the operator named; they may be on the same machine.
        look_ups: for the short questions of the resolvers, apart from what is passed on for clients.
        apps: for what OAuth clients publish.
        documents: of the DIDs that this server itself is the source of.
    """

    strangers: SafeFetch
    look_ups: SafeFetch
    apps: SafeFetch
    configured: SafeFetch
    names: NameServers
    plc: Plc
    dids: DidResolver
    handles: HandleResolver
    rules: HandleRules
    documents: HostedDocuments


def open_network(settings: Settings, data: OpenedData, stack: AsyncExitStack) -> Network:
    """Make the clients and resolvers; the stack closes what they open."""
    if not settings.ssrf_protection:
        _log.warning(
            "TEMPEST_SSRF_PROTECTION is off: strangers can make this server ask machines of its own network",
            cure="remove the setting, unless this is for development, or the whole network of servers is a private one",
        )
    strangers = _for_strangers(settings, stack, Slots(_PASSED_ON, _PASSED_ON_PER_SITE, _PASSED_ON_PER_CALLER))
    # Apart from what is passed on: look-ups are short, and nobody's slow service may hold them up.
    look_ups = _for_strangers(settings, stack, Slots(_LOOK_UPS, _LOOK_UPS_PER_SITE))
    # Whoever names an app, and anybody may, can have its document come as slowly as one may: identities do not wait.
    apps = _for_strangers(settings, stack, Slots(_APPS, _APPS_PER_SITE))
    configured = SafeFetch(allow_private=True, slots=Slots(_CONFIGURED, _CONFIGURED_PER_SITE, _CONFIGURED_PER_CALLER))
    stack.push_async_callback(configured.close)
    plc = _plc(settings, data, configured)
    rules = HandleRules(settings.handle_domains, settings.hostname)
    own_did = Did.parse(settings.service_did)
    documents = HostedDocuments(data.accounts, data.keys, rules, own_did, settings.public_url)
    dids = DidResolver(look_ups, plc, allow_private=not settings.ssrf_protection, own=documents.document)
    stack.push_async_callback(dids.close)
    names = NameServers()
    handles = HandleResolver(look_ups, look_up_txt=names.texts)
    stack.push_async_callback(handles.close)
    return Network(strangers, look_ups, apps, configured, names, plc, dids, handles, rules, documents)


def _for_strangers(settings: Settings, stack: AsyncExitStack, slots: Slots) -> SafeFetch:
    fetch = SafeFetch(allow_private=not settings.ssrf_protection, slots=slots)
    stack.push_async_callback(fetch.close)
    return fetch


def _plc(settings: Settings, data: OpenedData, configured: SafeFetch) -> Plc:
    if settings.plc_url is not None:
        return PlcDirectory(configured, settings.plc_url)
    _log.warning("a ledger in the data directory stands in for the PLC directory; nobody else can see it")
    return PlcLedger(data.directory.root / "plc_ledger.jsonl")
