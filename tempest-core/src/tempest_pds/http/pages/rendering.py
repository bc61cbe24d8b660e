"""HTML pages: templates, the one stylesheet, and the headers that every page carries.

A page is a template in `templates/` that extends `layout.html`. Whatever is put into it is escaped, and a name that is
not there is an error. The stylesheet stands in the page, allowed by its hash, so that a page is one request. No script
runs but files of ours that a page names, which stand in it likewise; every page works without.

Jinja is imported by the first page that somebody looks at, not by the start.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from blacksheep import Content, Response

from tempest_pds.http.pages import formats

if TYPE_CHECKING:
    from jinja2 import Environment

Header = tuple[bytes, bytes]

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")

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
        return self.policy_with()

    def policy_with(self, form_targets: Sequence[str] = (), script: str | None = None) -> bytes:
        """Write the policy of a page that does more than others.

        Args:
            form_targets: addresses that the answer to a form may send the browser to: some browsers hold redirects
                against `form-action` too.
            script: the text of the one script that may run.
        """
        targets = " ".join(dict.fromkeys(["'self'", *map(_source, form_targets)]))
        rules = [
            "default-src 'none'",
            f"style-src {_digest(self.style)}",
            f"form-action {targets}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
        if script is not None:
            rules.append(f"script-src {_digest(script)}")
        return "; ".join(rules).encode("ascii")

    def script(self, name: str) -> str:
        """Read a script of ours, by the name of its file among the templates."""
        return _script(name)

    def text(self, name: str, /, **values: Any) -> str:
        """Write a page by the name of its template."""
        return self._environment.get_template(name).render(values)

    def page(
        self, name: str, headers: Sequence[Header], /, *, status: int = 200, policy: bytes | None = None, **values: Any
    ) -> Response:
        """Answer with a page; `headers` are PUBLIC or PRIVATE and what else it needs."""
        sent = [(b"content-security-policy", policy or self.policy), *_HEADERS, *headers]
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


@cache
def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _source(address: str) -> str:
    """Write an address as a source of a policy; raise ValueError for what is none.

    Its scheme is all that is said. Chromium holds against the policy each redirect after a form, those of the app among
    them, and apps send their users on from where they read the answer to where they are at home.
    """
    scheme, colon, _ = address.lower().partition(":")
    if not colon or _SCHEME.fullmatch(scheme) is None:
        raise ValueError(f"not an address: {address[:200]!r}")
    return f"{scheme}:"


@cache
def _script(name: str) -> str:
    return files(_PACKAGE).joinpath("templates", *name.split("/")).read_text(encoding="utf-8").strip()
