"""Looking into JSON that others wrote: what is not there, or not of the right kind, is None."""

from typing import Any

View = dict[str, Any]


def text_at(value: object, *keys: str) -> str | None:
    """Follow keys into objects, and give the text at the end."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def blob_cid(value: object) -> str | None:
    """Give the CID of a reference to a blob, of the present form or the one before it."""
    return text_at(value, "ref", "$link") or text_at(value, "cid")


def reply_uri(record: View, end: str) -> str | None:
    """Give the URI of the `root` or the `parent` that a post replies to."""
    return text_at(record, "reply", end, "uri")


def set_or_drop(view: View, key: str, value: object) -> None:
    """Set a key, or with None take it away."""
    if value is None:
        view.pop(key, None)
    else:
        view[key] = value
