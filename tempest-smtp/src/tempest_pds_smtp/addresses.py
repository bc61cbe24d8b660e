"""Mail addresses as SMTP takes them: the domain in ASCII, the part before it as it is.

A domain beyond ASCII has an ASCII form (RFC 5891), which every mail server takes. The part before the `@` has none: a
mail server takes it beyond ASCII only if it offers SMTPUTF8 (RFC 6531). Quoted local parts and addresses in brackets
are not written: nobody has them, and they are where one address can be made to look like another.
"""

import re
from typing import Final

import idna

_LOCAL: Final = re.compile(r"""[^\s()<>@,:;\\"\[\]]+""")
_LABEL: Final = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_ASCII_DOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class UnusableAddress(ValueError):
    """A text that is no mail address, or one that SMTP does not carry. The message does not repeat it."""


def smtp_address(address: str) -> str:
    """Return an address with its domain in ASCII; raise UnusableAddress."""
    local, _, domain = address.rpartition("@")
    if not _LOCAL.fullmatch(local) or not local.isprintable():
        raise UnusableAddress("the part before the @ is not one that SMTP carries")
    return f"{local}@{ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    """Return a domain in ASCII (`bücher.example` is `xn--bcher-kva.example`); raise UnusableAddress."""
    if not domain.isascii():
        try:
            # Not Python's own codec: that one is of 2003, and sends the mail for faß.example to fass.example.
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise UnusableAddress("the domain is not one that has a form in ASCII") from None
    if not _ASCII_DOMAIN.fullmatch(domain) or len(domain) > 253:
        raise UnusableAddress("the domain is not one that can be looked up")
    return domain
