"""What the store and boto3 raise, in the contract's words.

While the server runs, whatever goes wrong with the store is `StoreUnavailable`: a key that is withdrawn may be given
back. When it starts, what is certainly a mistake of the operator's is `InvalidSettings`, and says which setting to
change. Messages hold the store's error code and never its message, which may quote what was sent.
"""

import socket

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from tempest_pds_blob_s3.location import S3Location
from tempest_pds_plugins import InvalidSettings, PluginError, StoreFull, StoreUnavailable

FAILURES = (BotoCoreError, ClientError, ResponseParserError)
"""All that a request may raise."""

_UNREACHABLE = (ConnectionError, HTTPClientError)
_MISSING = {"NoSuchKey", "NotFound", "404"}
_FULL = {"XMinioStorageFull", "StorageFull", "InsufficientCapacity", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_ANOTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidRegionName",
    "InvalidLocationConstraint",
    "PermanentRedirect",
    "TemporaryRedirect",
    "301",
    "307",
}
_NO_SUCH_KEY_ID = {"InvalidAccessKeyId", "InvalidAccessKey", "NoSuchAccessKey"}
_WRONG_SECRET = {"SignatureDoesNotMatch", "InvalidSignature"}
_FORBIDDEN = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "Unauthorized", "401", "403"}


class NothingThere(Exception):
    """No object has this key."""


def code_of(error: Exception) -> str:
    """Return the store's code for what it refused, or an empty text."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_missing(error: Exception) -> bool:
    """Tell whether the object is not there."""
    return code_of(error) in _MISSING


def unavailable(error: Exception, location: S3Location) -> StoreUnavailable:
    """Say in one line why a request of a running server failed."""
    if isinstance(error, _UNREACHABLE):
        return StoreUnavailable(f"{location.store} does not answer ({_reason(error)})")
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code_of(error) in _FULL or status == 507:
            return StoreFull(f"{location.store} has no room left in {location.bucket!r} ({code_of(error)})")
        return StoreUnavailable(f"{location.store} refused {error.operation_name} ({code_of(error)}, HTTP {status})")
    return StoreUnavailable(f"{location.store} gave no answer that can be read ({type(error).__name__})")


def mistake(error: Exception, location: S3Location) -> PluginError:
    """Say in one line what to change, where an operator's mistake keeps the adapter from opening."""
    family, store, bucket, code = location.family, location.store, location.bucket, code_of(error)
    if isinstance(error, _UNREACHABLE):
        return _not_reached(error, location)
    if isinstance(error, ClientError):
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code == "NoSuchBucket":
            return InvalidSettings(f"{store} has no bucket {bucket!r}: create it, or change {family}BUCKET")
        if code == "InvalidBucketName":
            return InvalidSettings(f"{bucket!r} is no name of a bucket: change {family}BUCKET")
        if code in _NO_SUCH_KEY_ID or (code == "InvalidArgument" and "access key" in message.lower()):
            return InvalidSettings(f"{store} does not know the access key: change {family}ACCESS_KEY_ID")
        if code in _WRONG_SECRET:
            return InvalidSettings(f"the secret does not fit the access key: change {family}SECRET_ACCESS_KEY")
        if code in _ANOTHER_REGION:
            return InvalidSettings(_other_region(error, location))
        if code in _FORBIDDEN:
            return InvalidSettings(
                f"the access key may not read and write the bucket {bucket!r} ({error.operation_name}: {code}): give it"
                f" the right to, or change {family}BUCKET, or {family}ACCESS_KEY_ID and {family}SECRET_ACCESS_KEY"
            )
        if code in ("RequestTimeTooSkewed", "RequestExpired"):
            return InvalidSettings(f"the clock of this machine and that of {store} differ too much: set the clock")
        if _is_page(error) or code in _MISSING or code in ("405", "MethodNotAllowed", "501", "NotImplemented"):
            return InvalidSettings(f"what answers at {location.endpoint} is no S3 store: change {family}ENDPOINT")
    if isinstance(error, ResponseParserError):
        return InvalidSettings(f"what answers at {location.endpoint} is no S3 store: change {family}ENDPOINT")
    if isinstance(error, ParamValidationError):
        return InvalidSettings(f"{bucket!r} is no name of a bucket: change {family}BUCKET")
    return StoreUnavailable(f"{unavailable(error, location)}: start again when it is well, or change {family}ENDPOINT")


def _is_page(error: ClientError) -> bool:
    """Tell whether what answered is a website: a store answers in XML, but for what a proxy says in its place."""
    metadata = error.response.get("ResponseMetadata", {})
    kind = metadata.get("HTTPHeaders", {}).get("content-type", "")
    return kind.startswith("text/html") and metadata.get("HTTPStatusCode") not in (502, 503, 504)


def _not_reached(error: Exception, location: S3Location) -> PluginError:
    setting = f"{location.family}{'ENDPOINT' if location.endpoint else 'REGION'}"
    reason = _reason(error)
    if reason == _NO_SUCH_HOST:
        return InvalidSettings(f"the host name of {location.store} does not resolve: change {setting}")
    if isinstance(error, SSLError):
        return InvalidSettings(
            f"{location.store} speaks no TLS that can be trusted: change {setting} (https or http, and the host that"
            f" its certificate names), or name the certificate's authority with AWS_CA_BUNDLE"
        )
    return StoreUnavailable(f"{location.store} does not answer ({reason}); if it never did, change {setting}")


def _other_region(error: ClientError, location: S3Location) -> str:
    details = error.response.get("Error", {})
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = details.get("Region") or headers.get("x-amz-bucket-region") or _quoted_region(details.get("Message", ""))
    wanted = f" to {region}" if region else ""
    return f"the bucket {location.bucket!r} is in another region: change {location.family}REGION{wanted}"


def _quoted_region(message: str) -> str:
    """Find the region in "the region 'a' is wrong; expecting 'b'", which is all that some stores tell."""
    return message.partition("expecting '")[2].partition("'")[0]


_NO_SUCH_HOST = "no such host"
_REASONS = {
    "NameResolutionError": _NO_SUCH_HOST,
    "gaierror": _NO_SUCH_HOST,
    "ConnectionRefusedError": "connection refused",
    "ConnectTimeoutError": "no connection in time",
    "ReadTimeoutError": "no answer in time",
    "ConnectionClosedError": "connection closed",
    "ResponseStreamingError": "connection closed",
    "ProxyConnectionError": "no connection to the proxy",
    "SSLError": "no trusted TLS",
}


def _reason(error: BaseException) -> str:
    """Find the most exact word for a failed connection among an error and what it was raised from."""
    found = "no connection"
    seen: set[int] = set()
    current: object = error
    while isinstance(current, BaseException) and id(current) not in seen:
        seen.add(id(current))
        found = _REASONS.get(type(current).__name__, found)
        if isinstance(current, socket.gaierror) and current.errno == socket.EAI_AGAIN:
            # Nobody was there to say whether there is such a host: as at boot, before the network is.
            return "its name cannot be looked up now"
        kwargs = getattr(current, "kwargs", {})
        inner = kwargs.get("error") if isinstance(current, EndpointConnectionError | HTTPClientError) else None
        current = inner or current.__cause__ or current.__context__
    return found
