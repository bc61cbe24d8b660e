"""An owner who is signed in, and has just proved to know the password, sets another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import AuthenticationRequired
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.password_rules import check_new_password
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose


class PasswordChange:
    """Change passwords.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        passwords: Passwords,
        notices: OwnerNotices,
        hooks: AccountHooks,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._passwords = passwords
        self._notices = notices
        self._hooks = hooks
        self._now = now

    async def change(self, account: Account, password: str, origin: Origin = NOWHERE) -> Account:
        """Set another password, end the account's sessions and sign-ins everywhere, and tell its owner by mail.

        App passwords stay, as they do after a reset.

        Args:
            account: as it was when its owner was proven.

        Returns:
            the account as it is now.

        Raises:
            InvalidPassword: it is too short or too long.
            AuthenticationRequired: its password was changed meanwhile by who has thrown this one out, or it is gone.
            NotEnoughResources: too many passwords are being hashed.
        """
        check_new_password(password)
        password_hash = await self._passwords.hash(password)
        changed = await self._writer.run(self._store_password, account, password_hash, origin)
        self._notices.stir()
        self._hooks.notify("account_changed", did=str(account.did), handle=changed.handle, change="password")
        return changed

    # In the thread that writes accounts

    def _store_password(self, proven: Account, password_hash: str, origin: Origin) -> Account:
        did, at = proven.did, self._now()
        with self._store.transaction():
            account = self._store.accounts.get(did)
            if account is None or account.password_hash != proven.password_hash:
                raise AuthenticationRequired("The password was changed meanwhile. Sign in again.")
            self._store.accounts.set_password(did, password_hash, at)
            # Of who asked for a reset before: with a code he would take the account from who has just secured it.
            self._store.email_tokens.delete(did, EmailTokenPurpose.RESET_PASSWORD)
            self._store.end_sessions(did)
            self._notices.password_changed(account, origin)
        return replace(account, password_hash=password_hash, sessions_ended_at=at)
