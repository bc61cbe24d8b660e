"""HTML pages: templates, the one stylesheet, and the headers that every page carries.

A page is a template in `templates/` that extends `layout.html`. Whatever is put into it is escaped, and a name that is
not there is an error. The stylesheet stands in the page, allowed by its hash, so that a page is one request and no
script ever runs: there is none, and none is allowed.

Jinja is imported by the first page that somebody looks at, not by the start.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from blacksheep import Content, Response

from tempest_pds.http.pages import formats

if TYPE_CHECKING:
    from jinja2 import Environment

Header = tuple[bytes, bytes]

_HTML: Final = b"text/html; charset=utf-8"
_PACKAGE: Final = "tempest_pds.http.pages"
_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
PUBLIC: Final[tuple[Header, ...]] = ((b"referrer-policy", b"no-referrer"),)
PRIVATE: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Not `no-referrer`: with that, browsers send `Origin: null` along with a form of our own.
    (b"referrer-policy", b"same-origin"),
)
"""What a page adds that is for one person's eyes."""


class Templates:
    """Renders pages; one for each server."""

    @cached_property
    def style(self) -> str:
        """The stylesheet."""
        return files(_PACKAGE).joinpath("templates", "style.css").read_text(encoding="utf-8").strip()

    @cached_property
    def policy(self) -> bytes:
        """The Content-Security-Policy of every page."""
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        rules = (
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
        return "; ".join(rules).encode()

    def text(self, name: str, **values: Any) -> str:
        """Write a page by the name of its template."""
        return self._environment.get_template(name).render(values)

    def page(self, name: str, headers: Sequence[Header], *, status: int = 200, **values: Any) -> Response:
        """Answer with a page; `headers` are PUBLIC or PRIVATE and what else it needs."""
        sent = [(b"content-security-policy", self.policy), *_HEADERS, *headers]
        return Response(status, sent, Content(_HTML, self.text(name, **values).encode("utf-8", "replace")))

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader(_PACKAGE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["style"] = self.style
        for formatter in formats.FORMATTERS:
            environment.filters[formatter.__name__] = formatter
        return environment
