"""An account with something of every kind that an account may have, for tests that carry one from server to server."""

import base64
import io
import random
import zlib
from typing import Any

from tests.support.account import Account, post
from tests.support.backups import upload

REPO = "com.atproto.repo"
SOMEBODY = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
SOME_CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
BATCH = 200
PREFERENCES: list[dict[str, Any]] = [
    {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True},
    {"$type": "app.bsky.actor.defs#contentLabelPref", "label": "spoilers-für-alle", "visibility": "warn"},
    {"$type": "app.bsky.actor.defs#contentLabelPref", "label": "gore", "visibility": "hide", "labelerDid": SOMEBODY},
    {
        "$type": "app.bsky.actor.defs#savedFeedsPrefV2",
        "items": [{"id": "1", "type": "feed", "value": f"at://{SOMEBODY}/app.bsky.feed.generator/x", "pinned": True}],
    },
    {"$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": "1990-02-28T00:00:00.000Z"},
    {
        "$type": "app.bsky.actor.defs#mutedWordsPref",
        "items": [{"id": "1", "value": "日本語 🙂", "targets": ["content", "tag"], "actorTarget": "all"}],
    },
]


def png(seed: int, size: int = 24) -> bytes:
    """Return a picture that is one, different for each seed."""
    dots = random.Random(seed)
    rows = b"".join(b"\0" + dots.randbytes(3 * size) for _ in range(size))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = size.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)))
    out.seek(0, io.SEEK_END)
    out.write(chunk(b"IEND", b""))
    return out.getvalue()


def unusual_records() -> dict[str, dict[str, Any]]:
    """Return records of a kind that no lexicon knows by record key, each with something that codecs get wrong."""
    deep: Any = {"bottom": True}
    for level in range(24):
        deep = {"level": level, "inside": [deep]}
    link = {"$link": SOME_CID}
    records: dict[str, dict[str, Any]] = {
        "numbers": {"large": 2**53 - 1, "small": 1 - 2**53, "edges": [0, 23, 24, 255, 256, 65_536, -1, -24, -25, -257]},
        "bytes": {"some": {"$bytes": base64.b64encode(bytes(range(256))).decode().rstrip("=")}, "none": {"$bytes": ""}},
        "links": {"to": link, "all": [link, {"again": link}]},
        "names": {"": 0, "ключ": 1, "🙂": 2, 'a b\n"\\': 3, "z": 4, "aa": 5, "\u00e9": 6, "e\u0301": 7, "$unknown": 8},
        "texts": {"text": "\x00\x1f\x7f\u2028\ufeff\U0010ffff", "other way": "\u202eabc", "empty": ""},
        "empties": {"map": {}, "list": [], "nothing": None, "yes": True, "no": False, "in": [[], {}, None]},
        "deep": {"deep": deep},
        "like:this_one~is.fine-1": {"text": "an unusual record key"},
        "x" * 512: {"text": "the longest record key"},
        "self": {"dates": ["2026-01-01T00:00:00+05:30", "not a date"], "uri": "at://not a uri"},
    }
    return {key: {"$type": "com.example.unusual", **record} for key, record in records.items()}


def furnish(account: Account, likes: int = 200, follows: int = 200) -> None:
    """Give an account a profile with avatar, posts with images and quotes, likes, follows and preferences."""
    images = [upload(account, png(seed)) for seed in range(4)]
    attached = upload(account, b"%PDF-1.4\nno lexicon knows where this is\n", "application/pdf")
    profile = {"$type": "app.bsky.actor.profile", "displayName": "Mira ✈️", "avatar": images[0], "banner": images[1]}
    _put(account, "app.bsky.actor.profile", "self", profile)
    first = account.post("first, and plain")
    embedded = [{"alt": f"{number} \N{CAT}", "image": image} for number, image in enumerate(images[1:])]
    pictures = {**post("with pictures"), "embed": {"$type": "app.bsky.embed.images", "images": embedded}}
    shown = _create(account, pictures)
    quoted = {"uri": shown["uri"], "cid": shown["cid"]}
    _create(account, {**post("a quote"), "embed": {"$type": "app.bsky.embed.record", "record": quoted}})
    replied = {"uri": first["uri"], "cid": first["cid"]}
    _create(account, {**post("a reply"), "reply": {"root": replied, "parent": replied}})
    facet = {
        "index": {"byteStart": 0, "byteEnd": 4},
        "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "müde"}],
    }
    _create(account, {**post("#müde 🙂"), "facets": [facet], "langs": ["de", "pt-BR"]})
    kept = {"$type": "com.example.attached", "deep": {"down": [{"file": attached}]}, "picture": images[0]}
    _put(account, "com.example.attached", "first", kept)
    for key, record in unusual_records().items():
        _put(account, record["$type"], key, record)
    _many(account, [_like(number) for number in range(likes)] + [_follow(number) for number in range(follows)])
    account.procedure("app.bsky.actor.putPreferences", preferences=PREFERENCES)


def _like(number: int) -> dict[str, Any]:
    subject = {"uri": f"at://did:web:user{number}.example.com/app.bsky.feed.post/3jzfcijpj2z2a", "cid": SOME_CID}
    return {"$type": "app.bsky.feed.like", "subject": subject, "createdAt": post("")["createdAt"]}


def _follow(number: int) -> dict[str, Any]:
    did = f"did:web:user{number}.example.com"
    return {"$type": "app.bsky.graph.follow", "subject": did, "createdAt": post("")["createdAt"]}


def _create(account: Account, record: dict[str, Any]) -> Any:
    return account.procedure(f"{REPO}.createRecord", repo=account.did, collection=record["$type"], record=record)


def _put(account: Account, collection: str, rkey: str, record: dict[str, Any]) -> Any:
    return account.procedure(f"{REPO}.putRecord", repo=account.did, collection=collection, rkey=rkey, record=record)


def _many(account: Account, records: list[dict[str, Any]]) -> None:
    create = f"{REPO}.applyWrites#create"
    for start in range(0, len(records), BATCH):
        writes = [
            {"$type": create, "collection": record["$type"], "value": record}
            for record in records[start : start + BATCH]
        ]
        account.procedure(f"{REPO}.applyWrites", repo=account.did, writes=writes)
