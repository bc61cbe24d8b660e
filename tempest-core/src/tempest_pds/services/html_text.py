"""HTML reduced to what a reader sees of it, for mail programs that show none."""

from html.parser import HTMLParser
from typing import Final

_UNSEEN: Final = frozenset({"head", "script", "style", "title"})
_BLOCKS: Final = frozenset(
    {"blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "table", "tr"}
)
_WITHOUT_TEXT: Final = "(This mail has no text.)"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.has_tags = False
        self._unseen = 0
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.has_tags = True
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag == "a":
            self._link = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag == "a" and self._link is not None:
            # Without its address a link would be lost.
            if self.pieces[-1:] != [self._link]:
                self.pieces.append(f" [{self._link}]")
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def text_of_html(content: str) -> str | None:
    """Give the text of HTML, or None when there is not a tag in it: then it is plain text already."""
    reader = _Reader()
    reader.feed(content)
    reader.close()
    if not reader.has_tags:
        return None
    lines: list[str] = []
    for line in "".join(reader.pieces).splitlines():
        words = " ".join(line.split())
        if words or (lines and lines[-1]):
            lines.append(words)
    return "\n".join(lines).strip() or _WITHOUT_TEXT
