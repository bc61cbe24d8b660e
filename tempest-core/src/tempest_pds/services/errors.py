"""The refusals of the use cases.

Five bases say what kind of refusal it is; a subclass bears the error name that the protocol gives it, so that
`type(error).__name__` is what a client matches on. Which status a base answers with is written in one place only,
`tempest_pds.http.errors`.
"""

from collections.abc import Mapping

from tempest_pds.protocol.errors import TempestError


class ServiceError(TempestError):
    """A use case that ends in a refusal."""


class InvalidRequest(ServiceError):
    """The request cannot be served as it stands, whoever asks."""


class AuthenticationRequired(ServiceError):
    """Who asks is not known, or not proven."""


class Forbidden(ServiceError):
    """Who asks is known, and may not."""


class NotEnoughResources(ServiceError):
    """Too much work of this kind is waiting already; try again in a moment."""


# Accounts and identities (com.atproto.server.createAccount, com.atproto.identity.*)


class InvalidHandle(InvalidRequest):
    """A handle that is malformed, or breaks the rules of this server's domains."""


class HandleNotAvailable(InvalidRequest):
    """A handle that is reserved or taken."""


class UnsupportedDomain(InvalidRequest):
    """A handle outside the domains that this server gives out."""


class InvalidPassword(InvalidRequest):
    """A password that this server does not accept for a new account."""


class InvalidEmail(InvalidRequest):
    """An e-mail address that no mail can be sent to, or that is not the account's."""


class InvalidInviteCode(InvalidRequest):
    """An invite code that is missing, unknown, disabled or used up."""


class UnresolvableDid(InvalidRequest):
    """A DID whose document cannot be had."""


class HandleNotFound(InvalidRequest):
    """A handle that leads to no DID."""


class DidNotFound(InvalidRequest):
    """A DID that does not exist, or not on this network."""


class DidDeactivated(InvalidRequest):
    """A DID that existed, and was deactivated for good."""


class AccountNotFound(InvalidRequest):
    """No such account on this server."""


class NotFound(InvalidRequest):
    """What an administrator or a moderator asks about is not here."""


class AccountMissing(Forbidden):
    """A valid token for an account that is no longer here; clients know it as AccountNotFound."""

    name = "AccountNotFound"


class AlreadyExists(InvalidRequest):
    """An account of a DID that has one here already; who moves an account goes on with that one."""


class DuplicateCreate(InvalidRequest):
    """Another request did the same at the same time."""


# Tokens


class ExpiredToken(InvalidRequest):
    """A session token or a mailed code past its time, or revoked. The reference answers 400; clients match the name."""


class InvalidToken(InvalidRequest):
    """A session token that does not verify, or a mailed code that is none, or one that is not for this use."""


class CodeUsedBefore(InvalidToken):
    """The right code of an authenticator app, which each opens once."""

    name = "InvalidToken"


class TokenRequired(InvalidRequest):
    """A change that takes a code from a mail, and came without one."""


class BadExpiration(InvalidRequest):
    """A service token was asked for with a lifetime that is not given out."""


class AuthMissing(AuthenticationRequired):
    """No credentials at all."""


class AuthFactorTokenRequired(AuthenticationRequired):
    """The password alone is not enough, or the second factor was given too long ago."""


class FactorUsedBefore(AuthenticationRequired):
    """The second factor was the right one, and was given before; the next one will do."""

    name = "AuthenticationRequired"


class TooManyTries(AuthenticationRequired):
    """So many wrong codes were given that no other is looked at for a while."""

    name = "RateLimitExceeded"


class AccountTakedown(AuthenticationRequired):
    """The account was taken down by a moderator."""


class AccountDeactivated(AuthenticationRequired):
    """The account was deactivated by its owner."""


class UntrustedIss(AuthenticationRequired):
    """A service token from an issuer that this method does not trust."""


class BadJwt(AuthenticationRequired):
    """A service token that is not a JWT."""


class BadJwtType(AuthenticationRequired):
    """A JWT of a kind that is never a service token."""


class JwtExpired(AuthenticationRequired):
    """A service token past its time."""


class BadJwtAudience(AuthenticationRequired):
    """A service token made for another server."""


class BadJwtLexiconMethod(AuthenticationRequired):
    """A service token made for another method."""


class BadJwtIss(AuthenticationRequired):
    """A service token whose issuer is not a DID, or cannot be resolved."""


class BadJwtSignature(AuthenticationRequired):
    """A service token that its issuer did not sign."""


# Other people's servers


class MethodNotImplemented(ServiceError):
    """A method that this server does not have, and that nobody else is asked for."""


class LexiconNotFound(InvalidRequest):
    """An NSID under which nobody has published a valid Lexicon document."""


class UnknownFeed(InvalidRequest):
    """A feed whose generator cannot be found."""


class UpstreamFailure(ServiceError):
    """The server that the request was passed on to could not be reached, or failed."""


class UpstreamError(ServiceError):
    """The server that the request was passed on to refused it; its answer is handed on.

    Args:
        status: what it answered.
        name: its error name, None when it gave none.
        headers: those of its headers that a client may see.
    """

    def __init__(self, status: int, name: str | None, message: str | None, headers: Mapping[str, str]) -> None:
        super().__init__(message or name or f"refused with {status}")
        self.status = status
        self.name = name
        self.message = message
        self.headers = dict(headers)
