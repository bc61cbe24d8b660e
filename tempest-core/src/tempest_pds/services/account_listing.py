"""The accounts of this server as its operator looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.timestamps import to_datetime
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.stores import ActorStores, RepoNotFound

_PAGE = 50
_MAX_SEARCH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAccount:
    """An account in a list. Times are ISO 8601."""

    did: Did
    handle: str | None
    email: str | None
    email_confirmed: bool
    status: str
    created_at: str


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of a list; `cursor` is None after the last."""

    accounts: Sequence[ListedAccount]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetail:
    """One account with what belongs to it. Times are ISO 8601; what does not apply is None.

    Attributes:
        takedown_reference: what the takedown was made with.
        rev: of its repository's last commit; None when it has none.
        invite_code_count: of the codes that are for this account.
    """

    listed: ListedAccount
    deactivated_at: str | None
    delete_after: str | None
    suspended_at: str | None
    takedown_reference: str | None
    invites_disabled: bool
    invite_note: str | None
    rev: str | None
    commit: str | None
    app_passwords: Sequence[str]
    invite_code_count: int


class AccountListing:
    """Finds and describes accounts."""

    def __init__(self, store: AccountStore, repositories: ActorStores) -> None:
        self._store = store
        self._repositories = repositories

    def page(self, search: str, cursor: str | None) -> AccountPage:
        """Return a page of all accounts by age, or of those found by DID, or by a part of handle or e-mail address.

        Raises InvalidRequest for a cursor that is not one of ours.
        """
        after = None if cursor is None else _parse(cursor)
        accounts = self._store.accounts
        if search:
            found = accounts.search(search[:_MAX_SEARCH], _PAGE + 1, after)
        else:
            found = accounts.page(_PAGE + 1, after)
        shown = found[:_PAGE]
        more = f"{shown[-1].created_at}::{shown[-1].did}" if len(found) > _PAGE else None
        return AccountPage([_listed(account) for account in shown], more)

    def handles(self, dids: Sequence[str]) -> dict[str, str]:
        """Look up the handles of some accounts; those without one are left out."""
        found = self._store.accounts.many(dids)
        return {did: account.handle for did, account in found.items() if account.handle is not None}

    def detail(self, did: Did) -> AccountDetail | None:
        """Describe an account; None when it is not here."""
        account = self._store.accounts.get(did)
        if account is None:
            return None
        head = None
        try:
            with self._repositories.open(did) as repository:
                head = repository.head()
        except RepoNotFound:
            pass
        return AccountDetail(
            listed=_listed(account),
            deactivated_at=_time(account.deactivated_at),
            delete_after=_time(account.delete_after),
            suspended_at=_time(account.suspended_at),
            takedown_reference=account.takedown_ref,
            invites_disabled=account.invites_disabled,
            invite_note=account.invite_note,
            rev=None if head is None else head.rev,
            commit=None if head is None else str(head.commit),
            app_passwords=[password.name for password in self._store.app_passwords.list(did)],
            invite_code_count=len(self._store.invite_codes.of_accounts([did])[did]),
        )


def _listed(account: Account) -> ListedAccount:
    return ListedAccount(
        did=account.did,
        handle=account.handle,
        email=account.email,
        email_confirmed=account.email_confirmed_at is not None,
        status=str(account.status),
        created_at=to_datetime(account.created_at),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_datetime(micros)


def _parse(cursor: str) -> tuple[int, str]:
    created_at, separator, did = cursor.partition("::")
    if not separator or not created_at.isascii() or not created_at.isdecimal() or len(created_at) > 18 or not did:
        raise InvalidRequest("This page of the list does not exist.")
    return int(created_at), did
