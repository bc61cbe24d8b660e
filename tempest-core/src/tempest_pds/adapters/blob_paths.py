"""Where on disk a blob lies: its key as a path, readable, one to one, and in an order that a walk can follow.

    public/bafkreibjfgx2gprinfvicegelk5k   →   public,d/bafkreibj/fgx2gprinfvicegelk5k,

Traps that the mapping steps around, for every key that `check_key` allows:

* "a" and "a/b" are both keys, and a file and a directory cannot share a name: a file's name ends in ",", a segment's
  directory in ",d". No key holds a comma.
* A million blobs under one prefix would be a million names in one directory: a segment of nine characters or more is
  split after the ninth, into a directory and the rest. Nine characters of a CID are seven fixed ones and ten free
  bits.
* A name longer than 255 bytes is refused by file systems: long rests are split again.
* "K" and "k" are one name on some file systems: a capital letter is written as "^" and the small one.
* A walk must give keys in order without sorting them all. As a segment is split by position alone, what lies in one
  directory never interleaves with what lies in a neighbour, and sorting each directory by itself is enough.
"""

import re
from collections.abc import Iterator
from pathlib import Path

FIRST_SPLIT = 9
FURTHER_SPLIT = 100

_CAPITAL = re.compile(r"[A-Z]")
_WRITTEN_CAPITAL = re.compile(r"\^([a-z])")


def path_of(root: Path, key: str) -> Path:
    """Return where the blob of a checked key lies."""
    *directories, last = key.split("/")
    parts: list[str] = []
    for segment in directories:
        fans, rest = _split(segment)
        parts += [*fans, f"{rest},d"]
    fans, rest = _split(last)
    path = "/".join([*parts, *fans, f"{rest},"])
    return root / _CAPITAL.sub(lambda capital: f"^{capital[0].lower()}", path)


def walk(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield key and path of every blob whose key starts with `prefix`, in key order, holding one directory a level in
    memory.

    A directory that vanishes meanwhile is passed over. What is not ours, in the root or below, is too.
    """
    yield from _walk(root, "", prefix)


def _walk(directory: Path, above: str, prefix: str) -> Iterator[tuple[str, Path]]:
    try:
        names = [entry.name for entry in directory.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    entries = []
    for name in names:
        text = _WRITTEN_CAPITAL.sub(lambda capital: capital[1].upper(), name)
        head, comma, mark = text.partition(",")
        if comma and mark not in ("", "d"):
            continue
        # The piece of the key that the entry stands for. A file sorts before the directory of the same piece.
        entries.append((above + head + ("/" if mark == "d" else ""), not (comma and not mark), name))
    for piece, is_directory, name in sorted(entries):
        if is_directory:
            if piece.startswith(prefix) or prefix.startswith(piece):
                yield from _walk(directory / name, piece, prefix)
        elif piece.startswith(prefix):
            yield piece, directory / name


def _split(segment: str) -> tuple[list[str], str]:
    fans: list[str] = []
    size = FIRST_SPLIT
    while len(segment) >= size:
        fans.append(segment[:size])
        segment, size = segment[size:], FURTHER_SPLIT
    return fans, segment
