"""JSON Web Tokens, in the compact form with a signature: `header.claims.signature`, each part in base64url.

Only what is signed is here. Which claims a token must have, and for how long it is good, is for its reader to say. The
algorithm always comes from the key at hand, never from the token alone: a token that names another one is refused, and
so is `none`. https://www.rfc-editor.org/rfc/rfc7515
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from hmac import digest as hmac_digest
from json import JSONDecoder, JSONEncoder
from typing import Any, Final, Protocol

from tempest_pds.protocol.crypto.keys import PublicKey
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax

MAX_TOKEN_LENGTH: Final = 16_384
"""Longer tokens are refused unread; more does not fit into a request's headers either."""


class Signer(Protocol):
    """What signs a token: any `PrivateKey`."""

    @property
    def jwt_alg(self) -> str:
        """The JOSE name of the algorithm."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        ...


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token taken apart. That it has this form says nothing about who made it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def alg(self) -> str:
        """The algorithm that the header names."""
        return str(self.header["alg"])


def encode(header: Mapping[str, Any], claims: Mapping[str, Any], signer: Signer) -> str:
    """Sign a token with a key; `alg` in the header is set to the key's."""
    signing_input = _signing_input({**header, "alg": signer.jwt_alg}, claims)
    return f"{signing_input}.{encode_base64url(signer.sign(signing_input.encode()))}"


def encode_hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """Sign a token with a secret shared with nobody; `alg` in the header is set to HS256."""
    signing_input = _signing_input({**header, "alg": "HS256"}, claims)
    return f"{signing_input}.{encode_base64url(hmac_digest(secret, signing_input.encode(), 'sha256'))}"


def decode_unverified(token: str) -> Jwt:
    """Take a token apart without asking who signed it; raise InvalidSyntax."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidSyntax("a token is too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidSyntax("a token does not have three parts")
    header = _read_json(parts[0])
    if not isinstance(header.get("alg"), str):
        raise InvalidSyntax("a token names no algorithm")
    if "crit" in header:
        # Extensions that must be understood; none is.
        raise InvalidSyntax("a token asks for an extension that is not known")
    return Jwt(header, _read_json(parts[1]), f"{parts[0]}.{parts[1]}".encode("ascii"), decode_base64url(parts[2]))


def verify_with_key(jwt: Jwt, key: PublicKey) -> None:
    """Check that `key` signed the token, with the key's own algorithm; raise InvalidSignature."""
    if jwt.alg != key.jwt_alg:
        raise InvalidSignature(f"a token is signed with {jwt.alg[:20]}, and the key is for {key.jwt_alg}")
    if not key.verify(jwt.signing_input, jwt.signature, allow_high_s=True):
        raise InvalidSignature("the signature of a token does not verify")


def verify_hs256(token: str, secret: bytes) -> Jwt:
    """Take apart a token signed with `secret`; raise InvalidSyntax, or InvalidSignature when it is not."""
    jwt = decode_unverified(token)
    if jwt.alg != "HS256":
        raise InvalidSignature(f"a token is signed with {jwt.alg[:20]}, not HS256")
    if not compare_digest(hmac_digest(secret, jwt.signing_input, "sha256"), jwt.signature):
        raise InvalidSignature("the signature of a token does not verify")
    return jwt


_PADDING: Final = ("", "===", "==", "=")


def encode_base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Read base64url without padding; raise InvalidSyntax for any other form: no two texts are the same bytes."""
    if "+" in text or "/" in text or "=" in text:
        raise InvalidSyntax("not base64url")
    rest = len(text) % 4
    try:
        data = a2b_base64(text.replace("-", "+").replace("_", "/") + _PADDING[rest], strict_mode=True)
    except ValueError as error:
        raise InvalidSyntax("not base64url") from error
    if rest and encode_base64url(data[1 - rest :]) != text[-rest:]:
        raise InvalidSyntax("not canonical base64url")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_write_json = JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_decode_json = JSONDecoder(parse_constant=_refuse_constant).decode


def _signing_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    header_part = encode_base64url(_write_json(header).encode())
    return f"{header_part}.{encode_base64url(_write_json(claims).encode())}"


def _read_json(part: str) -> dict[str, Any]:
    try:
        value = _decode_json(decode_base64url(part).decode())
    except (ValueError, RecursionError) as error:
        raise InvalidSyntax("a part of a token is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidSyntax("a part of a token is not a JSON object")
    return value
