"""The alphabets that every store must be able to carry, so that core may use all of them and nothing more.

A *key* names a blob. It is made of segments joined by "/", and compares by its ASCII bytes, "/" included; that is
*key order*, the order in which S3 lists too. "a" and "a/b" are two keys that live side by side, and so are "k" and
"K": a store on a file system has to keep them apart. A *name* names a backup and is a single segment.
"""

import re

from tempest_pds_plugins.errors import InvalidKey

MAX_KEY_LENGTH = 512
MAX_NAME_LENGTH = 128

_KEY = re.compile(r"[A-Za-z0-9._:%~+=@-]+(?:/[A-Za-z0-9._:%~+=@-]+)*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def check_key(key: str) -> str:
    """Return a blob's key unchanged, or raise `InvalidKey`.

    1 to 512 characters: letters, digits and ``. _ : % ~ + = @ -``, with "/" between segments that are neither empty nor
    "." nor "..". An adapter calls this first, whatever core promises: it is what stands between a key and a path.
    """
    if len(key) > MAX_KEY_LENGTH or not _KEY.match(key) or ("." in key and _has_dot_segment(key)):
        raise InvalidKey(f"not a blob key: {key[:100]!r}")
    return key


def check_name(name: str) -> str:
    """Return a backup's name unchanged, or raise `InvalidKey`.

    1 to 128 letters, digits and ``. _ -``, the first a letter or a digit.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.match(name):
        raise InvalidKey(f"not a backup name: {name[:100]!r}")
    return name


def _has_dot_segment(key: str) -> bool:
    return any(segment in (".", "..") for segment in key.split("/"))
