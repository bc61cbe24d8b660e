"""What the account services ask of the loaded plugins; `tempest_pds.plugins` has it."""

from typing import Protocol


class AccountHooks(Protocol):
    """Observers and policies."""

    def notify(self, hook_name: str, **kwargs: object) -> None:
        """Tell all observers what happened; never raises."""
        ...

    def first_refusal(self, hook_name: str, **kwargs: object) -> str | None:
        """Ask the policies; give the first reason against, or None."""
        ...
