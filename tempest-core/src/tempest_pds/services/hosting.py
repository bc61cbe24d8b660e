"""Which accounts are hosted here, and whether what they hold may be shown or changed now."""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import AccountDeactivated, AccountMissing, AccountTakedown
from tempest_pds.services.repo_errors import RepoDeactivated, RepoNotFound, RepoSuspended, RepoTakendown
from tempest_pds.stores.account.accounts import Account, Accounts, AccountStatus

_REMEMBERED: Final = 1_000


class Hosting:
    """Looks accounts up by what requests call them: a DID or a handle. For the event loop's thread alone.

    Almost every request asks, and accounts seldom change: what was found, or not, is remembered until any of them does.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._found: dict[str, Account | None] = {}
        self._changes = accounts.changes

    def find(self, identifier: str) -> Account | None:
        """Find an account, whatever its status."""
        found = self._found
        # Read before the row is: a change that comes between the two is seen by the next call.
        changes = self._accounts.changes
        if changes != self._changes or len(found) >= _REMEMBERED:
            found.clear()
            self._changes = changes
        elif identifier in found:
            return found[identifier]
        if identifier.startswith("did:"):
            account = self._accounts.get(identifier)
        else:
            account = self._accounts.by_handle(identifier)
        found[identifier] = account
        return account

    def status(self, did: Did) -> str | None:
        """Tell an account's status; None when it is not hosted here."""
        account = self.find(did)
        return None if account is None else str(account.status)

    def sessions_ended_at(self, did: Did) -> float | None:
        """Tell when an account's sessions were last ended, in seconds since 1970; None when they never were."""
        account = self.find(did)
        return None if account is None or account.sessions_ended_at is None else account.sessions_ended_at / 1_000_000

    def visible(self, identifier: str) -> Account | None:
        """Find an account whose records everybody may read."""
        account = self.find(identifier)
        return account if account is not None and account.is_active else None

    def writable(self, identifier: str) -> Account:
        """Find an account that may write; raise AccountMissing, AccountTakedown, AccountDeactivated."""
        return check_writable(self.find(identifier))

    def available(self, identifier: str, *, privileged: bool = False) -> Account:
        """Find an account whose repository may be read.

        Args:
            privileged: the owner or the administrator asks, who may always read it.

        Raises RepoNotFound, RepoTakendown, RepoSuspended, RepoDeactivated.
        """
        account = self.find(identifier)
        if account is None:
            raise RepoNotFound(f"Could not find repo for DID: {identifier}")
        if privileged:
            return account
        match account.status:
            case AccountStatus.TAKENDOWN:
                raise RepoTakendown(f"Repo has been takendown: {identifier}")
            case AccountStatus.SUSPENDED:
                raise RepoSuspended(f"Repo has been suspended: {identifier}")
            case AccountStatus.DEACTIVATED:
                raise RepoDeactivated(f"Repo has been deactivated: {identifier}")
        return account


def check_writable(account: Account | None) -> Account:
    """Give back an account that may write; raise AccountMissing, AccountTakedown, AccountDeactivated."""
    if account is None:
        raise AccountMissing("Account not found")
    match account.status:
        case AccountStatus.TAKENDOWN | AccountStatus.SUSPENDED:
            raise account_takedown(account.status)
        case AccountStatus.DEACTIVATED:
            raise AccountDeactivated("Account is deactivated")
    return account


def is_blocked(account: Account) -> bool:
    """Tell whether a moderator keeps an account from acting."""
    return account.status in (AccountStatus.TAKENDOWN, AccountStatus.SUSPENDED)


def account_takedown(status: AccountStatus) -> AccountTakedown:
    """Make the refusal of an account that a moderator keeps: clients show its message, and know only this one name."""
    what = "suspended" if status is AccountStatus.SUSPENDED else "taken down"
    return AccountTakedown(f"Account has been {what}")
