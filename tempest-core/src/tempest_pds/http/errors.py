"""The one table from errors to answers: status, error name and message, flat as the protocol wants them.

An answer of 500 never carries a detail of what went wrong; the log does. Where the reference server and the lexicons
leave a choice, the reference wins, as clients match its names: ExpiredToken and InvalidToken are 400, not 401.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.errors import ProtocolError, TempestError
from tempest_pds.protocol.lexicon.errors import BrokenLexicon, InvalidOutput
from tempest_pds.protocol.oauth.errors import ScopeMissing
from tempest_pds.remote.errors import RemoteError, TimedOut
from tempest_pds.repo.errors import (
    CommitTooLarge,
    RecordDiffers,
    RecordExists,
    RecordMissing,
    TooManyOps,
)
from tempest_pds.services.backup.errors import BackupFailed, BackupRunning
from tempest_pds.services.errors import (
    AccountMissing,
    AuthenticationRequired,
    Forbidden,
    InvalidRequest,
    MethodNotImplemented,
    NotEnoughResources,
    ServiceError,
    TooManyTries,
    UpstreamError,
    UpstreamFailure,
)
from tempest_pds.services.repo_errors import BlobTooLarge, InvalidSwap
from tempest_pds_plugins.errors import StoreUnavailable

Header = tuple[bytes, bytes]

_DEFAULT_MESSAGES: Final = {
    400: "Invalid Request",
    401: "Authentication Required",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Rate Limit Exceeded",
    500: "Internal Server Error",
    501: "Method Not Implemented",
    502: "Upstream Failure",
    503: "Not Enough Resources",
    504: "Upstream Timeout",
}
# What a refusal by another server is called and says, as far as it does not tell itself; the reference server's words.
_REFUSALS: Final = {
    401: ("AuthenticationRequired", "Authentication Required"),
    403: ("Forbidden", "Forbidden"),
    404: ("XRPCNotSupported", "XRPC Not Supported"),
    406: ("NotAcceptable", "Not Acceptable"),
    413: ("PayloadTooLarge", "Payload Too Large"),
    415: ("UnsupportedMediaType", "Unsupported Media Type"),
    429: ("RateLimitExceeded", "Rate Limit Exceeded"),
    501: ("MethodNotImplemented", "Method Not Implemented"),
    503: ("NotEnoughResources", "Not Enough Resources"),
    504: ("UpstreamTimeout", "Upstream Timeout"),
}
# None stands for the error's own name: services give their refusals the names that the lexicons give them.
_TABLE: Final[dict[type[BaseException], tuple[int, str | None]]] = {
    ProtocolError: (400, "InvalidRequest"),
    RecordExists: (400, "InvalidRequest"),
    RecordMissing: (400, "InvalidRequest"),
    RecordDiffers: (400, "InvalidSwap"),
    TooManyOps: (400, "InvalidRequest"),
    CommitTooLarge: (413, "PayloadTooLarge"),
    InvalidRequest: (400, None),
    BackupRunning: (409, "BackupRunning"),
    BackupFailed: (500, "BackupFailed"),
    InvalidSwap: (400, "InvalidSwap"),
    BlobTooLarge: (413, "PayloadTooLarge"),
    AuthenticationRequired: (401, None),
    TooManyTries: (429, None),
    Forbidden: (403, None),
    ScopeMissing: (403, "ScopeMissingError"),
    AccountMissing: (403, "AccountNotFound"),
    MethodNotImplemented: (501, "MethodNotImplemented"),
    NotEnoughResources: (503, "NotEnoughResources"),
    UpstreamFailure: (502, "UpstreamFailure"),
    TimedOut: (504, "UpstreamTimeout"),
    RemoteError: (502, "UpstreamFailure"),
}


CLIENT_GONE: Final = 499
"""Nobody reads it; logs and metrics call it so, as those of other servers do."""


class XrpcError(TempestError):
    """A refusal by the edge itself, which knows its own status.

    Args:
        status: of the answer.
        error: the name that clients match on.
        message: for a person to read.
        headers: to send along, names in lower case.
    """

    def __init__(self, status: int, error: str, message: str, headers: Sequence[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = headers


class ClientGone(TempestError):
    """The client went away before its request was complete; nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What an error is answered with.

    Attributes:
        unexpected: whether it is our fault, and belongs into the log with its traceback.
    """

    status: int
    error: str
    message: str
    headers: Sequence[Header] = ()
    unexpected: bool = False

    def body(self) -> bytes:
        """Encode the flat error object."""
        return error_body(self.error, self.message)


_INTERNAL: Final = ErrorAnswer(500, "InternalServerError", _DEFAULT_MESSAGES[500], unexpected=True)
# What the adapter says of its store is for the log, and no business of a client's.
_STORE_OUT: Final = ErrorAnswer(503, "NotEnoughResources", "The blob store does not answer, try again later")
# Protocol errors that no client can cause: our own answer, or the operator's documents, are at fault.
_OURS: Final = (InvalidOutput, BrokenLexicon)


def error_body(error: str, message: str) -> bytes:
    """Encode `{error, message}`; lone surrogates, which no JSON reader must meet, are replaced."""
    text = json.dumps({"error": error, "message": message}, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def answer_to(error: BaseException) -> ErrorAnswer:
    """Look up what an error is answered with; anything unknown is an InternalServerError without details."""
    if isinstance(error, XrpcError):
        return ErrorAnswer(error.status, error.error, error.message, error.headers)
    if isinstance(error, UpstreamError):
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()]
        # A failure over there is not a failure here: 502 says who broke.
        status = 502 if error.status == 500 else error.status
        other = ("InvalidRequest", "Invalid Request") if status < 500 else ("UpstreamFailure", "Upstream Failure")
        default_name, message = _REFUSALS.get(status, other)
        return ErrorAnswer(status, error.name or default_name, error.message or message, headers)
    if isinstance(error, StoreUnavailable):
        return _STORE_OUT
    if isinstance(error, _OURS):
        return _INTERNAL
    for kind in type(error).__mro__:
        row = _TABLE.get(kind)
        if row is not None:
            status, name = row
            return ErrorAnswer(
                status,
                name or _own_name(error),
                str(error) or _DEFAULT_MESSAGES[status],
            )
    return _INTERNAL


def _own_name(error: BaseException) -> str:
    name = getattr(error, "name", None) if isinstance(error, ServiceError) else None
    return name if isinstance(name, str) else type(error).__name__
