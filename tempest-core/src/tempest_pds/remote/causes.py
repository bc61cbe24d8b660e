"""From an exception to the words that an operator can act on: why a connection did not come about."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from tempest_pds.protocol.errors import TempestError

_BY_ERRNO: Final = {
    errno.ECONNREFUSED: "the connection is refused: nothing listens there, or a firewall rejects it",
    errno.ENETUNREACH: "the network is unreachable from here",
    errno.EHOSTUNREACH: "the host is unreachable from here",
    errno.ECONNRESET: "the connection was cut off",
}
_NO_ADDRESS: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
# The numbers of OpenSSL's X509_V_ERR_*.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_SELF_SIGNED: Final = 18
_UNTRUSTED_ROOT: Final = 19
_NO_ISSUER: Final = frozenset({2, 20, 21})
_WRONG_NAME: Final = frozenset({62, 64})

_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_TLS_REFUSED: Final = frozenset(
    {"TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_HANDSHAKE_FAILURE"}
)


def explain(error: BaseException) -> str:
    """Say why a connection failed, in a few words without a full stop."""
    for cause in _chain(error):
        # aiohttp wraps both kinds of errors in subclasses of theirs that lack what tells one from another.
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_code"):
            return certificate_problem(cause)
        if isinstance(cause, ssl.SSLError) and hasattr(cause, "reason"):
            return tls_problem(cause)
        if isinstance(cause, socket.gaierror):
            return "the name leads to no address"
        if isinstance(cause, TimeoutError):
            return "there was no answer in time"
        if isinstance(cause, OSError) and cause.errno in _BY_ERRNO:
            return _BY_ERRNO[cause.errno]
    if isinstance(error, TempestError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def has_no_address(error: BaseException) -> bool:
    """Tell whether a connection failed because DNS says that the name leads to no address, and may be believed."""
    return any(isinstance(cause, socket.gaierror) and cause.errno in _NO_ADDRESS for cause in _chain(error))


def speaks_no_tls(error: BaseException) -> bool:
    """Tell whether a connection failed because something answered that certainly was not TLS."""
    return any(
        isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in _NOT_TLS for cause in _chain(error)
    )


def certificate_problem(error: ssl.SSLCertVerificationError) -> str:
    """Say what is wrong with a certificate."""
    code = error.verify_code
    if code == _EXPIRED:
        return "the certificate has expired"
    if code == _NOT_YET_VALID:
        return "the certificate is not valid yet (or the clock of this machine is wrong)"
    if code == _SELF_SIGNED:
        return "the certificate is self-signed"
    if code == _UNTRUSTED_ROOT:
        return "the certificate comes from an authority that is not trusted"
    if code in _NO_ISSUER:
        return "the chain of the certificate is incomplete, or its authority is not trusted"
    if code in _WRONG_NAME:
        return "the certificate is for another name"
    return f"the certificate is not accepted: {error.verify_message}"


def tls_problem(error: ssl.SSLError) -> str:
    """Say why the other side did not get as far as a certificate."""
    reason = error.reason or str(error)
    if reason in _TLS_REFUSED:
        return "the proxy has no certificate for this name and gets none"
    if reason in _NOT_TLS or reason == "UNEXPECTED_EOF_WHILE_READING":
        return "what listens there does not speak TLS"
    return f"TLS failed: {reason}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "os_error", None)]
        waiting += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
