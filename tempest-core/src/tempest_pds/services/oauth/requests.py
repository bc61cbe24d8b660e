"""Authorization requests: pushed by a client, worked on in a browser, and answered with a code or a refusal.

A request is begun by its client (`push`), or by the browser itself where a client does not push. It belongs to the
first browser that opens it, and to no other: else somebody could have another person sign in to what they began. It
waits five minutes to be opened, then twenty for each step, as people read what they allow, up to an hour in all. One
answer ends it.

What goes wrong once it is settled where the answer goes is told to the client (`RequestRefused`), and everything before
to the person alone: a browser is redirected to no address that is not proven to be the client's. So is whatever another
browser tries with a request; it learns nothing, and ends nothing.

https://atproto.com/specs/oauth#authorization-requests, https://www.rfc-editor.org/rfc/rfc9126,
https://www.rfc-editor.org/rfc/rfc9700#section-4.1
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.oauth.authorization_parameters import (
    REQUEST_URI_PREFIX,
    AuthorizationParameters,
    ByObject,
    ByReference,
    ByValue,
    ReplyAddress,
    authorization_request,
    check_parameters,
    pushed_request,
    reply_address,
)
from tempest_pds.protocol.oauth.errors import (
    TEMPORARILY_UNAVAILABLE,
    ConsentRequired,
    InvalidDpopProof,
    InvalidRequest,
    InvalidScope,
    OAuthError,
)
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.client_documents import FRESH_SECONDS, OUTAGE_SECONDS
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.browsers import Browsers
from tempest_pds.services.hosting import is_blocked
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client, Clients
from tempest_pds.services.oauth.permission_sets import PermissionSets, PermissionSetUnavailable
from tempest_pds.services.oauth.request_objects import RequestObjects
from tempest_pds.services.oauth.stored_parameters import read_parameters, write_parameters
from tempest_pds.services.oauth.stored_permission_sets import read_sets, write_set, write_sets
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_requests import OAuthRequest

PUSHED_SECONDS: Final = 5 * 60
"""How long a pushed request waits for a browser to open it; the reference's figure."""
IDLE_SECONDS: Final = 20 * 60
"""How long one that was opened waits for the next step. The reference's five minutes are few for reading consent."""
TOTAL_SECONDS: Final = 60 * 60
"""How long it lives at most, however often it is worked on."""
KNOWN_SECONDS: Final = 10 * 60
"""For how long after its end a request is kept, so that its client can be told of that."""
CODE_SECONDS: Final = 5 * 60
"""How long a code waits to be exchanged; the reference's figure. RFC 6749 wants at most ten minutes."""
CODE_PREFIX: Final = "cod-"

_ID_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request that a person is asked about.

    Attributes:
        id: names the request to the browser at work on it; a secret between the two.
        scopes: what was asked for; `scopes.unknown` is not understood here, and never granted.
        permission_sets: what was found for those that `scopes` names when the client asked. They stay as they are
            until the code: what a person was shown is what is granted, whoever cannot be asked by then.
        created_at: when the client asked, in microseconds since 1970; `expires_at` likewise.
    """

    id: str
    client: Client
    client_auth: ClientAuth
    parameters: AuthorizationParameters
    scopes: ScopeSet
    permission_sets: Mapping[str, PermissionSet]
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """What the browser carries to the client: `code` or `error`, with `state` and `iss`."""

    reply: ReplyAddress
    values: Mapping[str, str]


class RequestRefused(TempestError):
    """A request that is answered with an error, at the client's own address."""

    def __init__(self, response: AuthorizationResponse) -> None:
        super().__init__(response.values.get("error_description", response.values["error"]))
        self.response = response


class AuthorizationRequests:
    """Take, show and answer requests. `browser` is always the SHA-256 of the cookie of the browser at work.

    Args:
        clock: the time in microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        browsers: Browsers,
        clients: Clients,
        permission_sets: PermissionSets,
        request_objects: RequestObjects,
        issuer: str,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._writer = writer
        self._browsers = browsers
        self._clients = clients
        self._permission_sets = permission_sets
        self._request_objects = request_objects
        self._issuer = issuer
        self._clock = clock

    async def push(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, *, dpop_thumbprint: str | None
    ) -> tuple[str, int]:
        """Take a pushed request; give its `request_uri` and how long it lives, in seconds. Raise an OAuthError."""
        given = self._request_objects.parameters(pushed_request(fields), client)
        try:
            parameters = check_parameters(given, client.metadata, trusted=client.is_trusted)
        except ConsentRequired as error:
            # Nobody was asked anything yet, so RFC 9126, section 2.3, does not know this answer here.
            raise InvalidRequest(str(error)) from error
        for thumbprint in (dpop_thumbprint, client_auth.confirmed_thumbprint):
            parameters = _pinned(parameters, thumbprint)
        sets = await self._find_sets(parameters)
        request_id = await self._begin(parameters, sets, client_auth, browser=None)
        return REQUEST_URI_PREFIX + request_id, PUSHED_SECONDS

    async def open(self, fields: Mapping[str, str], browser: bytes) -> OpenRequest:
        """Begin to work on what the authorize page was opened with.

        Raises:
            RequestRefused: the client gets an error, and the browser goes back to it.
            OAuthError: nobody may be redirected; the person is told.
            NotEnoughResources: too many requests at once.
        """
        given = authorization_request(fields)
        if isinstance(given, ByReference):
            return await self._take_up(given.request_id, browser, client_id=given.client_id)
        return await self._open_unpushed(given, browser)

    async def resume(self, request_id: str, browser: bytes) -> OpenRequest:
        """Go on with a request that this browser has opened; raise OAuthError, or RequestRefused."""
        return await self._take_up(request_id, browser)

    async def hand_over(self, old: bytes, new: bytes) -> None:
        """Note that a browser's cookie was replaced, as it is at each sign-in: it goes on with all that it has open."""
        await self._writer.run(self._store.oauth_requests.hand_over, old, new)

    async def grant(
        self, request: OpenRequest, browser: bytes, did: Did, scopes: ScopeSet, *, client_ip: str | None
    ) -> AuthorizationResponse:
        """Make a code for what an account's owner has allowed; raise RequestRefused or OAuthError."""
        if not scopes <= request.scopes:
            raise InvalidScope("more was granted than the client asked for")
        code = CODE_PREFIX + secrets.token_urlsafe(_ID_BYTES)
        refusal = await self._writer.run(self._store_grant, request, browser, did, scopes, code, client_ip)
        if refusal is not None:
            raise RequestRefused(self._refusal(request.parameters.reply, "access_denied", refusal))
        return self._response(request.parameters.reply, {"code": code})

    async def refuse(self, request: OpenRequest, error: str, description: str) -> AuthorizationResponse:
        """End a request with an error for its client; raise InvalidRequest when it has ended before."""
        await self._writer.run(self._store_refusal, request.id)
        return self._refusal(request.parameters.reply, error, description)

    async def forget_expired(self) -> None:
        """Sweep out requests past their time, and challenges that may be used again."""
        await self._writer.run(self._store_forgetting, self._clock())

    async def _open_unpushed(self, given: ByValue | ByObject, browser: bytes) -> OpenRequest:
        client = await self._clients.get(given.client_id)
        asked = self._request_objects.parameters(given, client)
        reply = reply_address(asked, client.metadata)
        try:
            parameters = check_parameters(asked, client.metadata, trusted=client.is_trusted)
            sets = await self._find_sets(parameters)
        except OAuthError as error:
            passes = isinstance(error, PermissionSetUnavailable)
            code = TEMPORARILY_UNAVAILABLE if passes else error.code
            raise RequestRefused(self._refusal(reply, code, error.description)) from error
        # Who really asks is proven when the code is exchanged: a browser can prove nothing for its client.
        client_auth = ClientAuth("none")
        request_id = await self._begin(parameters, sets, client_auth, browser=browser)
        return await self._take_up(request_id, browser)

    async def _find_sets(self, parameters: AuthorizationParameters) -> Mapping[str, PermissionSet]:
        """Find each permission set that is asked for; raise InvalidScope."""
        return await self._permission_sets.find(ScopeSet.parse(parameters.scope))

    async def _begin(
        self,
        parameters: AuthorizationParameters,
        sets: Mapping[str, PermissionSet],
        client_auth: ClientAuth,
        *,
        browser: bytes | None,
    ) -> str:
        request_id = secrets.token_urlsafe(_ID_BYTES)
        now = self._clock()
        request = OAuthRequest(
            id_hash=hash_secret(request_id),
            client_id=parameters.client_id,
            client_auth=client_auth.to_json(),
            parameters=write_parameters(parameters),
            created_at=now,
            expires_at=now + PUSHED_SECONDS * SECOND,
            browser=browser,
            permission_sets=write_sets(sets),
        )
        await self._writer.run(self._store.oauth_requests.add, request)
        return request_id

    async def _take_up(self, request_id: str, browser: bytes, *, client_id: str | None = None) -> OpenRequest:
        """Go on with a request; `client_id` is given where it is opened, and must be that of who pushed it."""
        found, expired = await self._writer.run(self._store_work, request_id, browser, client_id)
        parameters = read_parameters(found.parameters)
        if expired:
            raise RequestRefused(self._refusal(parameters.reply, "access_denied", "This request has expired"))
        return OpenRequest(
            id=request_id,
            client=await self._clients.get(found.client_id),
            client_auth=ClientAuth.from_json(found.client_auth),
            parameters=parameters,
            scopes=ScopeSet.parse(parameters.scope),
            permission_sets=read_sets(found.permission_sets),
            created_at=found.created_at,
            expires_at=found.expires_at,
        )

    def _refusal(self, reply: ReplyAddress, error: str, description: str) -> AuthorizationResponse:
        return self._response(reply, {"error": error, "error_description": description})

    def _response(self, reply: ReplyAddress, values: Mapping[str, str]) -> AuthorizationResponse:
        state = {} if reply.state is None else {"state": reply.state}
        return AuthorizationResponse(reply, {"iss": self._issuer, **state, **values})

    # In the thread that writes accounts

    def _store_work(self, request_id: str, browser: bytes, client_id: str | None) -> tuple[OAuthRequest, bool]:
        """Bind a request to a browser and give it more time, or delete it when it has expired, which is told."""
        id_hash, now = hash_secret(request_id), self._clock()
        requests = self._store.oauth_requests
        with self._store.transaction():
            found = self._unanswered(request_id)
            if client_id not in (None, found.client_id):
                raise InvalidRequest("This request was initiated for another client")
            if found.browser is None and client_id is None:
                raise InvalidRequest("This request was not initiated")
            if found.browser is not None:
                _check_browser(found.browser, browser)
            if found.expires_at <= now:
                requests.delete(id_hash)
                return found, True
            expires_at = min(now + IDLE_SECONDS * SECOND, found.created_at + TOTAL_SECONDS * SECOND)
            requests.work_on(id_hash, browser, expires_at)
            return replace(found, browser=browser, expires_at=expires_at), False

    def _store_grant(
        self, request: OpenRequest, browser: bytes, did: Did, scopes: ScopeSet, code: str, client_ip: str | None
    ) -> str | None:
        """Grant a request; or end it, and say why it cannot be granted."""
        id_hash, now = hash_secret(request.id), self._clock()
        with self._store.transaction():
            found = self._unanswered(request.id)
            _check_browser(found.browser or b"", browser)
            refusal = self._why_not(found, browser, did, now)
            if refusal is not None:
                self._store.oauth_requests.delete(id_hash)
                return refusal
            self._store.oauth_requests.grant(
                id_hash,
                did,
                str(scopes),
                hash_secret(code),
                client_ip=client_ip,
                expires_at=now + CODE_SECONDS * SECOND,
            )
            for document in request.client.documents:
                self._store.oauth_client_documents.put(document)
            for nsid in {include.nsid for include in scopes.includes}:
                self._store.oauth_permission_sets.add(nsid, write_set(request.permission_sets[nsid]), now)
            if request.client.metadata.is_confidential or request.client.is_trusted:
                # Anybody can say to be another client: what one was allowed says nothing of the next.
                self._store.oauth_consents.put(did, found.client_id, str(scopes), now)
            return None

    def _why_not(self, found: OAuthRequest, browser: bytes, did: Did, now: int) -> str | None:
        if found.expires_at <= now:
            return "This request has expired"
        account = self._store.accounts.get(did)
        if account is None or is_blocked(account):
            return "This account cannot be used"
        if account.deactivated_at is not None:
            return "This account has been deactivated"
        if not self._browsers.is_signed_in(browser, did):
            # It was when the page was asked for; a new password has ended that since, or its owner from elsewhere.
            return "This account was signed out"
        return None

    def _store_refusal(self, request_id: str) -> None:
        with self._store.transaction():
            self._unanswered(request_id)
            self._store.oauth_requests.delete(hash_secret(request_id))

    def _unanswered(self, request_id: str) -> OAuthRequest:
        found = self._store.oauth_requests.get(hash_secret(request_id))
        if found is None:
            raise InvalidRequest("Unknown request_uri")
        if found.code_hash is not None:
            raise InvalidRequest("This request was already answered")
        return found

    def _store_forgetting(self, now: int) -> None:
        with self._store.transaction():
            self._store.oauth_requests.delete_expired(now - KNOWN_SECONDS * SECOND)
            self._store.oauth_challenges.delete_expired(now)
            # Nobody would believe them any more.
            self._store.oauth_client_documents.delete_old(now - int(FRESH_SECONDS + OUTAGE_SECONDS) * SECOND)


def hash_secret(secret: str) -> bytes:
    """Return what is kept of a code or of a request's id: they are too random to be found by their hashes."""
    return sha256(secret.encode(errors="surrogatepass")).digest()


def _check_browser(bound: bytes, browser: bytes) -> None:
    if not compare_digest(bound, browser):
        raise InvalidRequest("This request was initiated from another browser")


def _pinned(parameters: AuthorizationParameters, thumbprint: str | None) -> AuthorizationParameters:
    """Bind a request to the DPoP key that was proven with it; raise InvalidDpopProof when it names another one."""
    if thumbprint is None:
        return parameters
    if parameters.dpop_jkt not in (None, thumbprint):
        raise InvalidDpopProof("dpop_jkt is another key than the one that was proven to be held")
    return replace(parameters, dpop_jkt=thumbprint)
