"""Passwords for apps that are not to have the account's own."""

from collections.abc import Callable
from dataclasses import dataclass

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import AccountMissing, DuplicateCreate, InvalidRequest
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.passwords import generate_app_password, hash_app_password
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us, to_datetime
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.app_passwords import AppPassword, AppPasswordExists

_MAX_NAME = 256
_MAX_COUNT = 200


@dataclass(frozen=True, slots=True)
class AppPasswordView:
    """An app password as its owner sees it.

    Attributes:
        password: only just after it was made; nobody can read it later.
    """

    name: str
    created_at: str
    privileged: bool
    password: str | None = None


class AppPasswords:
    """Make, list and revoke app passwords."""

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        events: SecurityEvents,
        notices: OwnerNotices,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._events = events
        self._notices = notices
        self._now = now

    async def create(
        self, did: Did, name: str, *, privileged: bool = False, origin: Origin = NOWHERE
    ) -> AppPasswordView:
        """Make an app password, and tell the owner by mail.

        Raises:
            AccountMissing: the account was deleted meanwhile.
            DuplicateCreate: there is one of that name.
            InvalidRequest: the name is empty or too long, or the account has too many.
        """
        if not name.strip() or len(name) > _MAX_NAME:
            raise InvalidRequest(f"An app password needs a name of at most {_MAX_NAME} characters")
        if len(self._store.app_passwords.list(did)) >= _MAX_COUNT:
            raise InvalidRequest("Too many app passwords")
        password = generate_app_password()
        row = AppPassword(did, name, hash_app_password(did, password), privileged, self._now())
        try:
            await self._writer.run(self._store_password, row, origin)
        except AppPasswordExists as error:
            raise DuplicateCreate(f"There is an app password of that name already: {name}") from error
        self._notices.stir()
        return AppPasswordView(name, to_datetime(row.created_at), privileged, password)

    def list_for(self, did: Did) -> list[AppPasswordView]:
        """List an account's app passwords, the newest first."""
        return [
            AppPasswordView(row.name, to_datetime(row.created_at), row.privileged)
            for row in reversed(self._store.app_passwords.list(did))
        ]

    async def revoke(self, did: Did, name: str, origin: Origin = NOWHERE) -> None:
        """Revoke an app password, and the sessions made with it; access tokens already given out last two hours.

        Revoking one that is not there is no error.
        """
        await self._writer.run(self._store_revocation, did, name, origin)

    # In the thread that writes accounts

    def _store_password(self, row: AppPassword, origin: Origin) -> None:
        with self._store.transaction():
            account = self._store.accounts.get(row.did)
            if account is None:
                raise AccountMissing("Account not found")
            self._store.app_passwords.create(row)
            self._notices.app_password_made(account, row.name, origin)

    def _store_revocation(self, did: Did, name: str, origin: Origin) -> None:
        with self._store.transaction():
            if self._store.app_passwords.revoke(did, name):
                self._events.add(did, EventKind.APP_PASSWORD_REVOKED, origin, name=name)
