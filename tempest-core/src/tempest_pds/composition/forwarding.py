"""What passes calls on to other services, made in one place. Part of the composition root."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tempest_pds.composition.data import OpenedData
from tempest_pds.composition.network import Network
from tempest_pds.http.forwarding import Forwarding
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.feed_generators import FeedGenerators
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.proxy import Proxy
from tempest_pds.services.proxy_targets import ProxyTargets, Service
from tempest_pds.services.read_after_write.image_urls import ImageUrls
from tempest_pds.services.read_after_write.local_records import LocalRecordReader
from tempest_pds.services.read_after_write.service import ReadAfterWrite
from tempest_pds.services.service_auth import ServiceAuth
from tempest_pds.settings import Settings


def make_forwarding(
    settings: Settings,
    data: OpenedData,
    network: Network,
    service_auth: ServiceAuth,
    hosting: Hosting,
    stack: AsyncExitStack,
) -> Forwarding:
    """Make it; the stack closes what it opens."""
    app_view = Service(Did.parse(settings.appview_did), settings.appview_url)
    targets = ProxyTargets(
        network.dids,
        app_view=app_view,
        reports=Service(Did.parse(settings.report_service_did), settings.report_service_url),
        moderation=Service(Did.parse(settings.mod_service_did), settings.mod_service_url),
    )
    feed_generators = FeedGenerators(network.configured, app_view)
    stack.push_async_callback(feed_generators.close)
    proxy = Proxy(network.strangers, network.configured, targets, feed_generators, service_auth)
    read_after_write = ReadAfterWrite(
        proxy,
        LocalRecordReader(data.stores),
        hosting,
        ImageUrls(settings.public_url, settings.appview_cdn_url_pattern),
    )
    return Forwarding(proxy, targets, read_after_write)
