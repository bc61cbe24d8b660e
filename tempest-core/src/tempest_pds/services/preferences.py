"""What apps keep with an account, for its owner alone: app.bsky.actor.getPreferences and putPreferences.

Two kinds are special. `personalDetailsPref` holds a birth date, and is neither shown to nor changed by a session that
is not the owner's own. `declaredAgePref` is worked out from it, shown to all, and never stored.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol, TypeVar

from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile

NAMESPACE: Final = "app.bsky"
PERSONAL_DETAILS: Final = "app.bsky.actor.defs#personalDetailsPref"
DECLARED_AGE: Final = "app.bsky.actor.defs#declaredAgePref"
_AGES: Final = (13, 16, 18)

T = TypeVar("T")


class FileWriter(Protocol):
    """What writes to repositories' files: `commit_log.CommitLog`."""

    async def change_file(self, store: ActorStore, change: Callable[[ActorStore], T]) -> T:
        """Run a change in the thread that writes."""
        ...


class Preferences:
    """Read and replace preferences.

    Args:
        today: the date by which people come of age.
    """

    def __init__(
        self,
        stores: ActorStores,
        log: FileWriter,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._stores = stores
        self._log = log
        self._today = today

    def get(self, caller: Credentials) -> list[LexValue]:
        """Give the preferences that a session may see, in the order they were put.

        Raises:
            RepoNotFound: the account keeps nothing here.
        """
        with self._open(caller.account) as store:
            rows = store.preferences.get(NAMESPACE)
        shown = [lex_json.loads(text) for name, text in rows if caller.is_full or name != PERSONAL_DETAILS]
        details = next((text for name, text in rows if name == PERSONAL_DETAILS), None)
        if details is not None:
            declared = self._declared_age(lex_json.loads(details))
            if declared is not None:
                shown.append(declared)
        return shown

    async def put(self, caller: Credentials, preferences: Sequence[LexValue]) -> None:
        """Replace the preferences, but for those that the session may not see.

        Raises:
            InvalidRequest: one has no `$type`, is not of `app.bsky`, or is not this session's to set.
            RepoNotFound: the account keeps nothing here.
        """
        rows: list[tuple[str, str]] = []
        forbidden: list[str] = []
        for preference in preferences:
            name = preference.get("$type") if isinstance(preference, dict) else None
            if not isinstance(name, str):
                raise InvalidRequest("Preference is missing a $type")
            if name != NAMESPACE and not name.startswith(f"{NAMESPACE}."):
                raise InvalidRequest(f"Some preferences are not in the {NAMESPACE} namespace")
            if name == PERSONAL_DETAILS and not caller.is_full:
                forbidden.append(name)
            if name != DECLARED_AGE:
                rows.append((name, lex_json.dumps(preference).decode()))
        if forbidden:
            raise InvalidRequest(f"Do not have authorization to set preferences: {', '.join(forbidden)}")
        keeps_details = not caller.is_full

        def change(store: ActorStore) -> None:
            held = store.preferences.get(NAMESPACE) if keeps_details else []
            store.preferences.put(NAMESPACE, [row for row in held if row[0] == PERSONAL_DETAILS] + rows)
            # The log of commits knows nothing of preferences, so nothing else brings them back after a loss of power.
            store.sync()

        with self._open(caller.account) as store:
            await self._log.change_file(store, change)

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error

    def _declared_age(self, details: LexValue) -> dict[str, Any] | None:
        text = details.get("birthDate") if isinstance(details, dict) else None
        try:
            born = date.fromisoformat(text[:10]) if isinstance(text, str) else None
        except ValueError:
            born = None
        if born is None:
            return None
        today = self._today()
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        return {"$type": DECLARED_AGE, **{f"isOverAge{limit}": age >= limit for limit in _AGES}}
