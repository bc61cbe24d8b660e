"""The parameters of an authorization request, pushed (PAR) or given to the authorize page.

A request comes in one of three forms: its parameters as they are (`ByValue`), a signed object that holds them
(`ByObject`, JAR), or the name that the pushed request endpoint gave to an earlier one (`ByReference`). The forms
exclude each other, and a request cannot be pushed by reference.

Where the answer may go is settled first and alone: `reply_address` reads nothing but the client, the redirect URI, the
response mode and the state. Until it has returned, an error must be shown to the person and redirected nowhere; after
it, every other error may go to the client.

https://atproto.com/specs/oauth#authorization-requests, https://www.rfc-editor.org/rfc/rfc9126#section-2.1,
https://www.rfc-editor.org/rfc/rfc9101#section-5, https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_plc import is_did_plc
from tempest_pds.protocol.identity.did_web import did_web_host
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import (
    ConsentRequired,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from tempest_pds.protocol.oauth.pkce import CodeChallenge
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.scope_syntax import is_scope_text
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle

ResponseMode = Literal["query", "fragment", "form_post"]
Prompt = Literal["none", "login", "consent", "select_account", "create"]
Display = Literal["page", "popup", "touch", "wap"]

RESPONSE_MODES: Final = ("query", "fragment", "form_post")
PROMPTS: Final = ("none", "login", "consent", "select_account", "create")
DISPLAYS: Final = ("page", "popup", "touch", "wap")
MAX_STATE_LENGTH: Final = 8_192
"""It comes back in an address, and few servers read longer ones."""
REQUEST_URI_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
MAX_SCOPE_LENGTH: Final = 10_000
MAX_SCOPE_AND_CLIENT_LENGTH: Final = 11_000
"""What is granted, and to whom, stands in each access token, which is refused where it has much more to say."""

# A SHA-256 in base64url, which names a key (RFC 7638).
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_MAX_LOCALES: Final = 16
# What RFC 5646, section 4.4.1, has room for.
_MAX_LOCALE_LENGTH: Final = 35
_UNSUPPORTED: Final = ("claims", "id_token_hint", "nonce", "authorization_details", "registration")

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ByValue:
    """A request whose parameters are its fields."""

    client_id: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class ByObject:
    """A request whose parameters are the claims of a signed object; whatever stands beside it does not count."""

    client_id: str
    request: str


@dataclass(frozen=True, slots=True)
class ByReference:
    """A request that was pushed before; `request_id` is what follows the prefix of its `request_uri`."""

    client_id: str
    request_uri: str

    @property
    def request_id(self) -> str:
        """The name that the pushed request endpoint gave."""
        return self.request_uri.removeprefix(REQUEST_URI_PREFIX)


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where and how the client gets its answer, be it a code or an error."""

    redirect_uri: RedirectUri
    response_mode: ResponseMode
    state: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationParameters:
    """A request that its client may make; `prompt` is the one to obey, which may be stricter than the one asked for."""

    client_id: str
    reply: ReplyAddress
    scope: str
    code_challenge: CodeChallenge
    prompt: Prompt | None = None
    login_hint: Did | Handle | None = None
    display: Display = "page"
    ui_locales: tuple[str, ...] = ()
    max_age: int | None = None
    dpop_jkt: str | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes asked for, in order, each once."""
        return tuple(self.scope.split(" "))


def single_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Make a mapping of a query or a form; raise InvalidRequest where a name stands twice. Empty values are dropped.

    https://www.rfc-editor.org/rfc/rfc6749#section-3.1
    """
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidRequest(f"{name[:80]!r} stands twice in the request")
        fields[name] = value
    return {name: value for name, value in fields.items() if value}


def pushed_request(fields: Fields) -> ByValue | ByObject:
    """Read what is sent to the pushed request endpoint; raise InvalidRequest."""
    if "request_uri" in fields:
        raise InvalidRequest("request_uri cannot be pushed")
    client_id = _required(fields, "client_id")
    request = _text(fields, "request")
    return ByValue(client_id, fields) if request is None else ByObject(client_id, request)


def authorization_request(fields: Fields) -> ByValue | ByObject | ByReference:
    """Read what is sent to the authorize page; raise InvalidRequest."""
    request_uri = _text(fields, "request_uri")
    if request_uri is None:
        return pushed_request(fields)
    if "request" in fields:
        raise InvalidRequest("request and request_uri exclude each other")
    if not request_uri.startswith(REQUEST_URI_PREFIX) or request_uri == REQUEST_URI_PREFIX:
        raise InvalidRequest("request_uri must be one that this server gave")
    return ByReference(_required(fields, "client_id"), request_uri)


def reply_address(fields: Fields, client: ClientMetadata) -> ReplyAddress:
    """Settle where the answer goes; raise InvalidRequest, to be redirected nowhere."""
    if _required(fields, "client_id") != str(client.client_id):
        raise InvalidRequest("client_id is not the client's that makes the request")
    text = _text(fields, "redirect_uri")
    if text is None:
        redirect_uri = client.default_redirect_uri
        if redirect_uri is None:
            raise InvalidRequest("redirect_uri is required of a client with more than one")
    else:
        try:
            redirect_uri = RedirectUri.parse(text)
        except InvalidRedirectUri as error:
            raise InvalidRequest(str(error)) from error
        if not client.admits_redirect(redirect_uri):
            raise InvalidRequest(f"redirect_uri {text[:200]!r} is not in the client's metadata")
    response_mode = _choice(fields, "response_mode", RESPONSE_MODES) or "query"
    state = _text(fields, "state")
    if state is not None and len(state) > MAX_STATE_LENGTH:
        raise InvalidRequest(f"state must not have more than {MAX_STATE_LENGTH} characters")
    return ReplyAddress(redirect_uri, cast("ResponseMode", response_mode), state)


def check_parameters(fields: Fields, client: ClientMetadata, *, trusted: bool = False) -> AuthorizationParameters:
    """Check a whole request against its client; raise what `reply_address` raises, or another OAuthError.

    `trusted` clients are those that the operator names: like confidential ones they may sign in silently.
    """
    reply = reply_address(fields, client)
    for name in _UNSUPPORTED:
        if name in fields:
            raise InvalidRequest(f"{name} is not supported")
    _check_response_type(fields, client)
    return AuthorizationParameters(
        client_id=str(client.client_id),
        reply=reply,
        scope=_scope(fields, client),
        code_challenge=CodeChallenge.parse(fields.get("code_challenge"), fields.get("code_challenge_method")),
        prompt=_prompt(fields, may_be_silent=trusted or client.is_confidential),
        login_hint=_login_hint(fields),
        display=cast("Display", _choice(fields, "display", DISPLAYS) or "page"),
        ui_locales=_ui_locales(fields),
        max_age=_max_age(fields),
        dpop_jkt=_digest(fields, "dpop_jkt"),
    )


def _check_response_type(fields: Fields, client: ClientMetadata) -> None:
    response_type = _required(fields, "response_type")
    if response_type != "code":
        raise UnsupportedResponseType(f'response_type must be "code", not {response_type[:80]!r}')
    if "code" not in client.response_types or "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("the client's metadata does not allow it authorization codes")


def _scope(fields: Fields, client: ClientMetadata) -> str:
    text = _text(fields, "scope")
    if text is not None and len(text) > MAX_SCOPE_LENGTH:
        raise InvalidScope(f"scope must not have more than {MAX_SCOPE_LENGTH} characters")
    if text is not None and len(text) + len(str(client.client_id)) > MAX_SCOPE_AND_CLIENT_LENGTH:
        raise InvalidScope(f"scope and client_id must not have more than {MAX_SCOPE_AND_CLIENT_LENGTH} characters")
    if text is None or not is_scope_text(text):
        raise InvalidScope("scope must be a list of scopes with one space between each two")
    scopes = tuple(dict.fromkeys(text.split(" ")))
    if "openid" in scopes:
        raise InvalidScope('scope "openid" is not supported')
    if "atproto" not in scopes:
        raise InvalidScope('scope must include "atproto"')
    declared = client.scopes
    for scope in scopes:
        if scope not in declared:
            raise InvalidScope(f"scope {scope[:200]!r} is not declared in the client's metadata")
    return " ".join(scopes)


def _prompt(fields: Fields, *, may_be_silent: bool) -> Prompt | None:
    """Let nobody sign in again unasked on the word of a client that anyone can pretend to be.

    What asks for more than consent is kept: the reference makes `consent` of `login` and `select_account` too, so that
    a public client cannot have the password given anew. Its consent is asked in any case.
    """
    prompt = cast("Prompt | None", _choice(fields, "prompt", PROMPTS))
    if may_be_silent:
        return prompt
    if prompt == "none":
        raise ConsentRequired("public clients may not sign in silently")
    return prompt or "consent"


def _login_hint(fields: Fields) -> Did | Handle | None:
    text = _text(fields, "login_hint")
    if text is None:
        return None
    hint = text.lower()
    if Did.is_valid(hint) and _is_account_did(Did(hint)):
        return Did(hint)
    if Handle.is_valid(hint):
        return Handle(hint)
    raise InvalidRequest(f"login_hint {text[:80]!r} is neither a handle nor a DID")


def _is_account_did(did: Did) -> bool:
    if is_did_plc(did):
        return True
    try:
        did_web_host(did)
    except InvalidSyntax:
        return False
    return True


def _ui_locales(fields: Fields) -> tuple[str, ...]:
    """Read the languages that a person prefers; one that is no language is passed over, since nothing hangs on it."""
    tags = (_text(fields, "ui_locales") or "").split(" ")[:_MAX_LOCALES]
    return tuple(tag for tag in tags if len(tag) <= _MAX_LOCALE_LENGTH and _LOCALE.fullmatch(tag))


def _max_age(fields: Fields) -> int | None:
    value = fields.get("max_age")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
        value = int(value)
    if value is None and "max_age" not in fields:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRequest("max_age must be a number of seconds")
    return value


def _digest(fields: Fields, name: str) -> str | None:
    text = _text(fields, name)
    if text is not None and _DIGEST.fullmatch(text) is None:
        raise InvalidRequest(f"{name} must be a SHA-256 in base64url, which has 43 characters")
    return text


def _choice(fields: Fields, name: str, choices: tuple[str, ...]) -> str | None:
    text = _text(fields, name)
    if text is not None and text not in choices:
        raise InvalidRequest(f"{name} must be one of " + ", ".join(choices))
    return text


def _required(fields: Fields, name: str) -> str:
    text = _text(fields, name)
    if not text:
        raise InvalidRequest(f"{name} is required")
    return text


def _text(fields: Fields, name: str) -> str | None:
    if name not in fields:
        return None
    value = fields[name]
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string")
    return value
