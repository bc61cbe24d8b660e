"""Where each repo stands, as of the last time the writer said: what `com.atproto.sync.listRepos` pages through.

A copy, kept beside the accounts so that a page needs no file per repo. The owner of the write path hands over the heads
that changed in bulk, now and then and before a page is read, and again for what it replays at start.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, exists, insert, literal_column, select, update

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.account.tables import ACCOUNT, REPO_HEAD
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, select_where

_T = REPO_HEAD.c
_GET = select_where(REPO_HEAD, _T.did)
_RAISE = Statement(
    update(REPO_HEAD)
    .where(_T.did == bindparam("did_is"), _T.rev < bindparam("rev_below"))
    .values(commit_cid=bindparam("commit_cid_to"), rev=bindparam("rev_to")),
    "commit_cid_to",
    "rev_to",
    "did_is",
    "rev_below",
)
_ADD = Statement(
    insert(REPO_HEAD).from_select(
        ["did", "commit_cid", "rev"],
        select(ACCOUNT.c.did, bindparam("commit_cid"), bindparam("rev")).where(
            ACCOUNT.c.did == bindparam("did"),
            ~exists(select(literal_column("1")).where(_T.did == bindparam("did_again"))),
        ),
    ),
    "commit_cid",
    "rev",
    "did",
    "did_again",
)


class RepoHeads:
    """The heads of the repos, never going back to a lower rev."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_many(self, heads: Iterable[tuple[str, CID, str]]) -> None:
        """Take over (did, commit, rev) of repos that changed; DIDs without an account are left out."""
        with self._database.transaction() as transaction:
            for did, commit, rev in heads:
                if not transaction.run(_RAISE, (commit.raw, rev, did, rev)):
                    transaction.run(_ADD, (commit.raw, rev, did, did))

    def get(self, did: str) -> tuple[CID, str] | None:
        """Return (commit, rev) of a repo, as far as it is known."""
        row = self._database.one(_GET, (did,))
        return None if row is None else (CID(row[1]), row[2])
