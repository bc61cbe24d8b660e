"""What a method is given: the services of the server, and one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tempest_pds.http.errors import XrpcError
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.errors import MethodNotImplemented
from tempest_pds.services.origin import Origin
from tempest_pds.services.second_factor.visitor import Visitor

if TYPE_CHECKING:
    from tempest_pds.http.answers import Stream
    from tempest_pds.http.exchange import Exchange
    from tempest_pds.protocol.lexicon.lexicons import Lexicons
    from tempest_pds.remote.did_resolver import DidResolver
    from tempest_pds.services.account_deletion import AccountDeletion
    from tempest_pds.services.account_listing import AccountListing
    from tempest_pds.services.accounts import Accounts
    from tempest_pds.services.administration import Administration
    from tempest_pds.services.api_sessions import ApiSessions
    from tempest_pds.services.app_passwords import AppPasswords
    from tempest_pds.services.backup.maker import BackupMaker
    from tempest_pds.services.blobs import Blobs
    from tempest_pds.services.browsers import Browsers
    from tempest_pds.services.email_addresses import EmailAddresses
    from tempest_pds.services.email_codes import EmailCodes
    from tempest_pds.services.firehose import Firehose
    from tempest_pds.services.handle_availability import HandleAvailability
    from tempest_pds.services.hosting import Hosting
    from tempest_pds.services.identities import Identities
    from tempest_pds.services.identity_resolution import IdentityResolution
    from tempest_pds.services.invites import Invites
    from tempest_pds.services.lexicon_resolution import LexiconResolution
    from tempest_pds.services.mail_outbox import MailOutbox
    from tempest_pds.services.maintenance import Maintenance
    from tempest_pds.services.moderation import Moderation
    from tempest_pds.services.oauth.provider import Provider
    from tempest_pds.services.owner_deletion import OwnerDeletion
    from tempest_pds.services.password_change import PasswordChange
    from tempest_pds.services.password_reset import PasswordReset
    from tempest_pds.services.plc_operations import PlcOperations
    from tempest_pds.services.preferences import Preferences
    from tempest_pds.services.records import Records
    from tempest_pds.services.repo_list import RepoList
    from tempest_pds.services.repos import Repos
    from tempest_pds.services.second_factor.enrolment import Enrolment
    from tempest_pds.services.second_factor.second_factors import SecondFactors
    from tempest_pds.services.second_factor.step_up import StepUp
    from tempest_pds.services.security_events import SecurityEvents
    from tempest_pds.services.server_status import ServerStatus
    from tempest_pds.services.service_auth import ServiceAuth
    from tempest_pds.services.sessions import Sessions
    from tempest_pds.services.sign_in import SignIn
    from tempest_pds.services.sync_reads import SyncReads


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What the server says of itself; derived from the settings by the composition root."""

    version: str
    hostname: str
    name: str
    public_url: str
    did: str
    handle_domains: tuple[str, ...]
    invite_required: bool
    blob_max_bytes: int
    repo_import_enabled: bool = True
    repo_import_max_bytes: int = 200_000_000
    contact_email: str | None = None
    privacy_policy_url: str | None = None
    terms_of_service_url: str | None = None


class Proxy(Protocol):
    """Passes calls on to other services."""

    def handles(self, nsid: str, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a method that is not served here, or is sent elsewhere by its headers, is to be passed on."""
        ...

    def is_elsewhere(self, call: Call) -> bool:
        """Tell whether a call of a method that is served here names another service in `atproto-proxy`."""
        ...

    def audience(self, call: Call) -> str:
        """Tell which service a call is for, `did#service`, whether it is passed on or answered in its place."""
        ...

    async def forward(self, call: Call) -> Stream:
        """Pass an authorised call on, and give the other service's answer."""
        ...

    async def view(self, call: Call) -> Stream:
        """Have a view answered, with what the caller has written since merged into it."""
        ...

    async def public_read(self, call: Call) -> Stream:
        """Have the AppView answer a query about an account that is hosted elsewhere, in nobody's name."""
        ...


@dataclass(slots=True, kw_only=True)
class Services:
    """Every service that methods call. Filled in one place, the composition root, and never changed after."""

    server: ServerInfo
    lexicons: Lexicons
    accounts: Accounts
    sign_in: SignIn
    second_factors: SecondFactors
    enrolment: Enrolment
    step_up: StepUp
    sessions: Sessions
    app_passwords: AppPasswords
    browsers: Browsers
    api_sessions: ApiSessions
    invites: Invites
    email_codes: EmailCodes
    email_addresses: EmailAddresses
    password_reset: PasswordReset
    password_change: PasswordChange
    service_auth: ServiceAuth
    identities: Identities
    plc_operations: PlcOperations
    handle_availability: HandleAvailability
    resolution: IdentityResolution
    lexicon_resolution: LexiconResolution
    hosting: Hosting
    records: Records
    repos: Repos
    sync: SyncReads
    blobs: Blobs
    firehose: Firehose
    dids: DidResolver
    repo_list: RepoList
    preferences: Preferences
    backups: BackupMaker
    maintenance: Maintenance
    administration: Administration
    moderation: Moderation
    account_deletion: AccountDeletion
    owner_deletion: OwnerDeletion
    status: ServerStatus
    account_listing: AccountListing
    security_events: SecurityEvents
    mail: MailOutbox
    oauth: Provider
    proxy: Proxy | None = None


class Call:
    """One call of a method: parsed, authorised, and not yet answered.

    Attributes:
        nsid: of the method called.
        http_method: `GET`, `HEAD` or `POST`.
        params: by the lexicon, with its defaults; empty while a call is passed on.
        input: the parsed JSON body; None when the method takes none, or takes bytes.
        credentials: None for an anonymous call.
        client_ip: the caller's address, as the trusted proxies tell it.
        headers: of the request, names in lower case; of a repeated one the last.
        response_headers: sent with the answer, be it an error.
        look_again: raises unless the caller may make the call still, now that the body is here.
    """

    __slots__ = (
        "client_ip",
        "credentials",
        "exchange",
        "headers",
        "http_method",
        "input",
        "look_again",
        "nsid",
        "params",
        "response_headers",
        "services",
    )

    def __init__(self, services: Services, exchange: Exchange, nsid: str) -> None:
        self.services = services
        self.exchange = exchange
        self.nsid = nsid
        self.http_method: str = exchange.scope["method"]
        self.headers: dict[bytes, bytes] = exchange.headers
        self.client_ip: str = exchange.client_ip
        self.params: dict[str, Any] = {}
        self.input: Any = None
        self.credentials: Credentials | None = None
        self.response_headers: list[tuple[bytes, bytes]] = []
        self.look_again: Callable[[], None] = _nobody

    def header(self, name: str) -> str | None:
        """Give a request header, None when it is not there; raise XrpcError when it is not ASCII."""
        value = self.headers.get(name.encode("ascii"))
        if value is None:
            return None
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            raise XrpcError(400, "InvalidRequest", f"The header {name} is not ASCII") from None

    @property
    def caller(self) -> Credentials:
        """The credentials of a method that takes no anonymous calls."""
        assert self.credentials is not None, "the method's declared kind of authorisation guarantees a caller"
        return self.credentials

    @property
    def origin(self) -> Origin:
        """Where the call comes from."""
        agent = self.headers.get(b"user-agent")
        return Origin(client_ip=self.client_ip, user_agent=None if agent is None else agent.decode("utf-8", "replace"))

    @property
    def visitor(self) -> Visitor:
        """Who calls, as those are told it who take passwords."""
        origin = self.origin
        return Visitor(client_ip=origin.client_ip, user_agent=origin.user_agent, surface="api")

    @property
    def views(self) -> Proxy:
        """What answers a view."""
        if self.services.proxy is None:
            raise MethodNotImplemented("Method Not Implemented")
        return self.services.proxy

    @property
    def query_string(self) -> bytes:
        """The raw query string, without its question mark."""
        query: bytes = self.exchange.scope["query_string"]
        return query

    @property
    def content_type(self) -> str | None:
        """The media type of the body, in lower case and without parameters."""
        value = self.headers.get(b"content-type")
        if value is None:
            return None
        return value.partition(b";")[0].strip().lower().decode("latin-1")

    async def body(self, limit: int) -> AsyncIterator[bytes]:
        """Read the body as it comes, with any gzip or deflate undone.

        Args:
            limit: in bytes, after decompression.

        Raises:
            XrpcError: PayloadTooLarge, before the first byte if the length is declared; or an unknown encoding.
            ClientGone: the client went away, or stopped sending.
            TempestError: as `look_again`, after the last byte.
        """
        from tempest_pds.http.request_body import read_chunks

        async for chunk in read_chunks(self.exchange, limit):
            yield chunk
        self.look_again()

    def raw_body(self, limit: int) -> AsyncIterator[bytes]:
        """Read the body as it comes and as it is, for passing it on; raises as `body` does."""
        from tempest_pds.http.request_body import read_chunks

        return read_chunks(self.exchange, limit, decode=False)


def _nobody() -> None:
    """Look at an anonymous caller again."""
