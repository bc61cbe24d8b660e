"""Cookies of the pages for people; the API has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that scripts never see, and that ends with the browser unless it is given an age.

    Behind HTTPS its name begins with `__Host-`, which browsers take only from the host itself, with `Secure`, and for
    all of it. Over HTTP, on localhost, that is not to be had, so it is kept to its own part of the site.

    Attributes:
        name: without prefix.
        path: what of the site it is sent to over HTTP.
        secure: whether the site is reached by HTTPS.
        same_site: `Strict` keeps it from all requests that other sites cause, `Lax` from all but links to here.
    """

    name: str
    path: str
    secure: bool
    same_site: Literal["Strict", "Lax"] = "Strict"

    @property
    def full_name(self) -> str:
        """The name as the browser has it."""
        return f"__Host-{self.name}" if self.secure else self.name

    def read(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Find the cookie's value in a request; of several the first, which is that of the longest path."""
        for pair in headers.get(b"cookie", b"").split(b";"):
            name, equals, value = pair.strip().partition(b"=")
            if equals and name == self.full_name.encode():
                return value.decode("latin-1")
        return None

    def set(self, value: str, max_age: int | None = None) -> tuple[bytes, bytes]:
        """Make the header that sets it; `max_age` is in seconds."""
        return self._header(value, "" if max_age is None else f"; Max-Age={max_age}")

    def clear(self) -> tuple[bytes, bytes]:
        """Make the header that removes it."""
        return self._header("", "; Max-Age=0")

    def _header(self, value: str, more: str) -> tuple[bytes, bytes]:
        place = "Path=/; Secure" if self.secure else f"Path={self.path}"
        attributes = f"{place}; HttpOnly; SameSite={self.same_site}{more}"
        return b"set-cookie", f"{self.full_name}={value}; {attributes}".encode("ascii")
