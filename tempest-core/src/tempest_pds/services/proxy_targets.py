"""Which service a request that is passed on goes to.

The one that `atproto-proxy: did#service` names, resolved from its DID document; without that header the AppView, the
moderation service for `tools.ozone`, the report service for reports.

https://atproto.com/specs/xrpc#service-proxying
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.method_rules import CREATE_REPORT

NOTIFICATIONS: Final = "bsky_notif"
_APP_VIEW: Final = "bsky_appview"
_LABELER: Final = "atproto_labeler"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that the operator configured: the AppView, the report service, the moderation service."""

    did: Did
    url: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        configured: the operator named the address, rather than a DID document that anybody may write.
    """

    did: Did
    service: str
    url: str
    configured: bool = False

    @property
    def name(self) -> str:
        """What the service is called in the `atproto-proxy` header and in OAuth scopes: `did#service`."""
        return f"{self.did}#{self.service}"


class ProxyTargets:
    """Find the services that requests go to."""

    def __init__(
        self,
        dids: DidResolver,
        *,
        app_view: Service | None = None,
        reports: Service | None = None,
        moderation: Service | None = None,
    ) -> None:
        self._dids = dids
        self._app_view = app_view
        self._reports = reports
        self._moderation = moderation

    def is_elsewhere(self, headers: Mapping[str, str]) -> bool:
        """Tell whether `atproto-proxy` names another service than the AppView."""
        named = headers.get("atproto-proxy")
        return bool(named) and not self._is_app_view(named)

    def audience(self, method: str, headers: Mapping[str, str]) -> str:
        """Tell which service a request is for, `did#service`, as it is named; raise InvalidRequest when none is."""
        return headers.get("atproto-proxy") or self.default(method).name

    def default(self, method: str) -> Target:
        """Give the service of a request that names none; raise InvalidRequest when none is configured."""
        if method.startswith("tools.ozone."):
            service, name = self._moderation, _LABELER
        elif method == CREATE_REPORT:
            service, name = self._reports, _LABELER
        else:
            service, name = self._app_view, _APP_VIEW
        if service is None:
            raise InvalidRequest(f"No service configured for {method}")
        return Target(service.did, name, service.url, configured=True)

    async def resolve(self, method: str, headers: Mapping[str, str]) -> Target:
        """Find the service that a request goes to; raise InvalidRequest when there is none."""
        named = headers.get("atproto-proxy")
        if not named:
            return self.default(method)
        did, service = _parse_header(named)
        if self._app_view is not None and self._is_app_view(named):
            return Target(did, service, self._app_view.url, configured=True)
        try:
            document = await self._dids.resolve(did)
        except RemoteError as error:
            raise InvalidRequest("could not resolve proxy did") from error
        url = document.service(service)
        if url is None:
            raise InvalidRequest("could not resolve proxy did service url")
        return Target(did, service, url)

    async def resolve_push(self, did: Did) -> Target:
        """Find where a service takes registrations for push notifications; raise InvalidRequest when nowhere."""
        if self._app_view is not None and did == self._app_view.did:
            return Target(did, _APP_VIEW, self._app_view.url, configured=True)
        try:
            document = await self._dids.resolve(did)
        except RemoteError as error:
            raise InvalidRequest(f"could not resolve notification service did: {did}") from error
        url = document.service(NOTIFICATIONS)
        if url is None:
            raise InvalidRequest(f"invalid notification service details in did document: {did}")
        return Target(did, NOTIFICATIONS, url)

    def _is_app_view(self, named: str | None) -> bool:
        return self._app_view is not None and named == f"{self._app_view.did}#{_APP_VIEW}"


def _parse_header(value: str) -> tuple[Did, str]:
    did, hash_sign, service = value.partition("#")
    if not did:
        raise InvalidRequest("no did specified in proxy header")
    if not hash_sign or not service:
        raise InvalidRequest("no service id specified in proxy header")
    if "#" in service:
        raise InvalidRequest("invalid proxy header format")
    if " " in value:
        raise InvalidRequest("proxy header cannot contain spaces")
    try:
        return Did.parse(did), service
    except InvalidSyntax as error:
        raise InvalidRequest("invalid proxy header format") from error
