"""HTML reduced to what a reader sees of it, for mail programs that show none.

Not the parser of the standard library: its time grows with the square of the length for tags that do not end.
"""

import re
from html import unescape
from typing import Final

_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)")
_HREF: Final = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_UNSEEN: Final = frozenset({"head", "script", "style", "title"})
_BLOCKS: Final = frozenset(
    {"blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "table", "tr"}
)
_WITHOUT_TEXT: Final = "(This mail has no text.)"


class _Reader:
    """Goes through HTML once, from its beginning to its end."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._folded = content.lower() if content.isascii() else re.sub("[A-Z]+", lambda part: part[0].lower(), content)
        self._link: str | None = None
        self.pieces: list[str] = []
        self.has_tags = False

    def read(self) -> None:
        """Collect the text in `pieces`."""
        content, at = self._content, 0
        while (opening := content.find("<", at)) >= 0:
            self.pieces.append(unescape(content[at:opening]))
            at = self._skip(opening)
        self.pieces.append(unescape(content[at:]))

    def _skip(self, opening: int) -> int:
        """Give the place behind what begins with a `<`."""
        content = self._content
        if content.startswith("<!", opening):
            end = "-->" if content.startswith("<!--", opening) else ">"
            return self._behind(end, opening)
        tag = _TAG.match(self._folded, opening)
        if tag is None:
            self.pieces.append("<")
            return opening + 1
        self.has_tags = True
        end_of_tag = self._behind(">", opening)
        self._take(tag[2], content[opening:end_of_tag], is_end=bool(tag[1]))
        if tag[2] in _UNSEEN and not tag[1]:
            found = self._folded.find(f"</{tag[2]}", end_of_tag)
            return len(content) if found < 0 else found
        return end_of_tag

    def _take(self, name: str, source: str, *, is_end: bool) -> None:
        if name in _BLOCKS:
            self.pieces.append("\n")
        elif name == "a" and not is_end:
            href = _HREF.search(source)
            self._link = None if href is None else unescape(href[1] or href[2] or href[3] or "")
        elif name == "a" and self._link:
            # Without its address a link would be lost.
            if self.pieces[-1:] != [self._link]:
                self.pieces.append(f" [{self._link}]")
            self._link = None

    def _behind(self, end: str, start: int) -> int:
        found = self._folded.find(end, start)
        return len(self._content) if found < 0 else found + len(end)


def text_of_html(content: str) -> str | None:
    """Give the text of HTML, or None when there is not a tag in it: then it is plain text already."""
    reader = _Reader(content)
    reader.read()
    if not reader.has_tags:
        return None
    lines: list[str] = []
    for line in "".join(reader.pieces).splitlines():
        words = " ".join(line.split())
        if words or (lines and lines[-1]):
            lines.append(words)
    return "\n".join(lines).strip() or _WITHOUT_TEXT
