"""The form of the mails that this server writes: a text part, and an HTML part that says the same.

The HTML shows nothing from elsewhere and no link, keeps the reader's own colours, light or dark, and has no style that
it could not do without: mail programs drop what they do not know. Whatever is put into it is escaped.

Jinja is imported by the first mail, not by the start.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from tempest_pds_plugins.mailer import Mail

if TYPE_CHECKING:
    from jinja2 import Template

_WIDTH: Final = 72


class MailLayout:
    """Lay out mails; one for each server."""

    def mail(
        self,
        to: str,
        subject: str,
        heading: str,
        before: Sequence[str],
        after: Sequence[str],
        footer: str,
        code: str | None = None,
    ) -> Mail:
        """Make a mail of its paragraphs, those before and those after the code; raise InvalidMail."""
        html = self._template.render(heading=heading, before=before, code=code, after=after, footer=footer)
        blocks = [_wrap(heading), *map(_wrap, before)]
        if code is not None:
            blocks.append(f"    {code}")
        # Mail programs know "-- " as the beginning of a signature.
        blocks += [*map(_wrap, after), f"-- \n{_wrap(footer)}"]
        return Mail(to, subject, "\n\n".join(blocks) + "\n", html)

    @cached_property
    def _template(self) -> Template:
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        source = files("tempest_pds.services").joinpath("mail_templates", "mail.html").read_text(encoding="utf-8")
        return environment.from_string(source)


def _wrap(paragraph: str) -> str:
    # A word is never broken: a handle, a DID or an address must be whole.
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)
