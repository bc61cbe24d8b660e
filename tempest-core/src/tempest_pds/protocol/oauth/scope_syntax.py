"""One scope value as text: `prefix`, then `:positional`, then `?name=value&name=value`, the last two being optional.

https://atproto.com/specs/permission. `repo:app.bsky.feed.post?action=create` has the prefix `repo`, the positional
parameter `app.bsky.feed.post` and one named parameter. The positional parameter is one of the named ones, written
short: `repo?collection=app.bsky.feed.post&action=create` says the same, and only this long form can hold several.

Traps:

* The two halves are encoded differently. The positional parameter is decoded strictly, as `decodeURIComponent` does: a
  stray `%` or bytes that are not UTF-8 spoil the scope, and `+` is a plus. The query is decoded as a form is: nothing
  spoils it, and `+` is a space.
* A client need not encode what a URL would have to: `aud=did:web:example.com#svc` is read as it stands.
* `:` and `/` and their like stay readable in the normal form, which is that of the reference but for two characters. It
  leaves `%` bare, and `+` in a query, and then reads back something else; here both are encoded, which it understands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from tempest_pds.protocol.oauth.errors import InvalidScope

Values = dict[str, tuple[str, ...]]

# scope-token *( SP scope-token ), RFC 6749 section 3.3.
_LIST: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN_IN_POSITIONAL: Final = "!*'():/+,@"
_PLAIN_IN_QUERY: Final = "*:/,@"


def is_scope_text(text: str) -> bool:
    """Tell whether `text` is a list of scope values with one space between each two."""
    return _LIST.fullmatch(text) is not None


@dataclass(frozen=True)
class ScopeSyntax:
    """A scope value taken apart, its parameters decoded and in the order in which they were written."""

    prefix: str
    positional: str | None = None
    params: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a scope value apart; raise InvalidScope when its encoding is broken."""
        head, _, query = text.partition("?")
        prefix, colon, positional = head.partition(":")
        try:
            return cls(prefix, _decoded(positional) if colon else None, _decoded_query(query))
        except UnicodeError:
            raise InvalidScope(f"not a scope: {text[:80]!r}") from None

    def format(self) -> str:
        """Write the value in its normal form, which is ASCII."""
        text = self.prefix
        if self.positional is not None:
            text += ":" + quote(self.positional, safe=_PLAIN_IN_POSITIONAL)
        if self.params:
            text += "?" + "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in self.params)
        return text


def _decoded(text: str) -> str:
    if _STRAY_PERCENT.search(text):
        raise InvalidScope(f"not a scope: a stray % in {text[:80]!r}")
    return unquote_to_bytes(text).decode()


def _decoded_query(query: str) -> tuple[tuple[str, str], ...]:
    # A form's parser takes one question mark away in front, as it would from the query of a URL.
    pairs = (pair.partition("=") for pair in query.removeprefix("?").split("&") if pair)
    return tuple((_decoded_in_query(name), _decoded_in_query(value)) for name, _, value in pairs)


def _decoded_in_query(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _encoded(text: str) -> str:
    return quote(text, safe=_PLAIN_IN_QUERY).replace("~", "%7E").replace("%20", "+")


@dataclass(frozen=True)
class ScopeShape:
    """The parameters that a prefix may have: their names in the order of the normal form, and which hold several."""

    prefix: str
    positional: str
    names: tuple[str, ...]
    many: frozenset[str] = frozenset()

    def read(self, text: str) -> Values:
        """Return the values of a scope, unjudged; raise InvalidScope for another prefix, or another set of names."""
        syntax = ScopeSyntax.parse(text)
        if syntax.prefix != self.prefix:
            raise InvalidScope(f"not a scope of {self.prefix}: {text[:80]!r}")
        values: Values = {}
        for name, value in syntax.params:
            values[name] = (*values.get(name, ()), value)
        if syntax.positional is not None:
            if self.positional in values:
                raise InvalidScope(f"two ways to say {self.positional}: {text[:80]!r}")
            values[self.positional] = (syntax.positional,)
        return self._checked(values)

    def read_lexicon(self, permission: Mapping[str, object]) -> Values:
        """Return the values of a permission of a Lexicon document: a list where the shape holds several, else text."""
        if permission.get("resource") != self.prefix:
            raise InvalidScope(f"not a permission of {self.prefix}: {permission.get('resource')!r}")
        values: Values = {}
        for name, given in permission.items():
            if name in ("type", "resource"):
                continue
            items = given if name in self.many else [given]
            if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
                raise InvalidScope(f"{name} of a permission of {self.prefix} has the wrong type")
            values[name] = tuple(items)
        return self._checked(values)

    def _checked(self, values: Values) -> Values:
        for name, given in values.items():
            if name not in self.names:
                raise InvalidScope(f"{self.prefix} has no parameter {name[:80]!r}")
            if not given or (len(given) > 1 and name not in self.many):
                raise InvalidScope(f"{self.prefix} has {len(given)} values of {name}")
        return values

    def write(self, values: Values) -> str:
        """Write values in the normal form; leave out of `values` what is the default."""
        positional, params = None, []
        for name in self.names:
            given = values.get(name, ())
            if name == self.positional and len(given) == 1:
                positional = given[0]
            else:
                params += [(name, value) for value in given]
        return ScopeSyntax(self.prefix, positional, tuple(params)).format()
