"""base58btc, the alphabet of multikeys."""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.errors import InvalidEncoding

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {character: digit for digit, character in enumerate(_ALPHABET)}
MAX_TEXT_LENGTH: Final = 256
"""Decoding takes time with the square of the length, so longer text is refused."""


def encode(data: bytes) -> str:
    """Return the text form; each leading zero byte is a leading `1`."""
    number = int.from_bytes(data, "big")
    characters = []
    while number:
        number, digit = divmod(number, 58)
        characters.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(characters))


def decode(text: str) -> bytes:
    """Return the bytes; raise InvalidEncoding for characters outside the alphabet, and for very long text."""
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidEncoding("base58 text is too long")
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise InvalidEncoding("not base58btc")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
