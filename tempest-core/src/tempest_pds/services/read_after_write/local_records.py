"""What an account has written since a revision, as far as views show it: its profile and its posts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from tempest_pds.protocol.data_model import dag_cbor, lex_json
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.services.read_after_write.json_values import View
from tempest_pds.services.timestamps import to_datetime
from tempest_pds.stores.actor.recent import records_since
from tempest_pds.stores.actor.stores import ActorStores

MAX_RECORDS: Final = 25
"""The newest count. No more, because getPosts takes no more, and each may quote a post."""
LOOKED_AT: Final = 500
PROFILE: Final = "app.bsky.actor.profile/self"
_POSTS: Final = "app.bsky.feed.post/"


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """A record in its JSON form.

    Attributes:
        written_at: when the commit was made, in µs since 1970.
    """

    uri: str
    cid: str
    written_at: int
    record: View

    @property
    def indexed_at(self) -> str:
        """The time of the commit, in the form in which views tell when they were indexed."""
        return to_datetime(self.written_at)


@dataclass(frozen=True, slots=True)
class LocalRecords:
    """What is newer than the AppView's copy; posts with the oldest first."""

    profile: LocalRecord | None
    posts: Sequence[LocalRecord]

    def __bool__(self) -> bool:
        return self.profile is not None or bool(self.posts)

    @property
    def oldest(self) -> int:
        """When the oldest of them was written, in µs since 1970; there must be one."""
        records = [*self.posts] if self.profile is None else [self.profile, *self.posts]
        return min(record.written_at for record in records)


class LocalRecordReader:
    """Read the records of accounts here."""

    def __init__(self, stores: ActorStores) -> None:
        self._stores = stores

    def since(self, did: Did, rev: str) -> LocalRecords:
        """Gather what was written after a revision, at most MAX_RECORDS; nothing when `rev` is none."""
        if not Tid.is_valid(rev):
            return LocalRecords(None, ())
        with self._stores.open(did) as store:
            found = records_since(store, rev, _is_shown, looked_at=LOOKED_AT, limit=MAX_RECORDS)
        profile, posts = None, []
        for path, cid, written, value in reversed(found):
            record = _to_json(value)
            if isinstance(record, dict):
                local = LocalRecord(f"at://{did}/{path}", str(cid), Tid(written).micros, record)
                if path == PROFILE:
                    profile = local
                else:
                    posts.append(local)
        return LocalRecords(profile, posts)

    def profile(self, did: Did) -> View:
        """Give the account's profile as it stands; an empty one when it has none."""
        with self._stores.open(did) as store:
            found = store.get_record(PROFILE)
        record = None if found is None else _to_json(found[1])
        return record if isinstance(record, dict) else {}


def _is_shown(path: str) -> bool:
    return path == PROFILE or path.startswith(_POSTS)


def _to_json(value: bytes) -> Any:
    return cast(Any, lex_json.to_json(dag_cbor.decode(value)))
