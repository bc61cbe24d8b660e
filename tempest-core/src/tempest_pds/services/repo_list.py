"""The list of all repositories here, each with its head: com.atproto.sync.listRepos.

Heads lie in the accounts' repo files; a page of them would mean to open as many files. So they are copied beside the
accounts: those that changed are noted in memory, and written before a page is read, and before the log is settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.stores.account.account_store import AccountStore


@dataclass(frozen=True, slots=True)
class RepoPage:
    """A page of the list, as the lexicon has it; `cursor` is None after the last."""

    repos: list[dict[str, Any]]
    cursor: str | None


class RepoList:
    """Lists repositories by the age of their accounts."""

    def __init__(self, accounts: AccountStore, writer: AccountWriter) -> None:
        self._accounts = accounts
        self._writer = writer
        self._changed: dict[str, tuple[CID, str]] = {}

    def note(self, did: str, commit: CID, rev: str) -> None:
        """Take over a repository's new head."""
        self._changed[did] = (commit, rev)

    async def flush(self) -> None:
        """Write the heads that changed."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        heads = [(did, commit, rev) for did, (commit, rev) in changed.items()]
        await self._writer.run(self._accounts.repo_heads.put_many, heads)

    async def page(self, limit: int, cursor: str | None) -> RepoPage:
        """Return a page; raise InvalidRequest for a cursor that is not one of ours."""
        await self.flush()
        rows = self._accounts.accounts.repos(limit, None if cursor is None else _parse(cursor))
        repos: list[dict[str, Any]] = []
        for row in rows:
            if row.commit is None or row.rev is None:
                continue
            repo: dict[str, Any] = {
                "did": row.account.did,
                "head": str(row.commit),
                "rev": row.rev,
                "active": row.account.is_active,
            }
            if not row.account.is_active:
                repo["status"] = str(row.account.status)
            repos.append(repo)
        last = rows[-1].account if len(rows) == limit else None
        return RepoPage(repos, None if last is None else f"{last.created_at}::{last.did}")


def _parse(cursor: str) -> tuple[int, str]:
    created_at, separator, did = cursor.partition("::")
    if not separator or not created_at.isdecimal() or len(created_at) > 18 or not did:
        raise InvalidRequest("Malformed cursor")
    return int(created_at), did
