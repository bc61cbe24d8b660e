"""The one whose account moves, as the steps speak to him: told, asked, and made to wait."""

from __future__ import annotations

from typing import Literal, Protocol

Side = Literal["source", "target"]


class Owner(Protocol):
    """Whoever runs the command. What asks raises MigrationError where there is nobody to answer."""

    def tell(self, line: str) -> None:
        """Say what was done, or what is to be known."""
        ...

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Say how far something long is; called as often as one likes."""
        ...

    def password(self, side: Side, *, new: bool) -> str:
        """Ask for the password of the account there, or for one that it is to have."""
        ...

    def forget_password(self, side: Side) -> bool:
        """Forget a password that was not taken; False where asking again would give the same one."""
        ...

    def code(self, question: str) -> str | None:
        """Ask for a code that was mailed; None where there is nobody to be asked."""
        ...

    def confirm(self, question: str) -> bool:
        """Ask for a yes, which may have been given beforehand."""
        ...

    def wait_for(self, what: str) -> bool:
        """Wait until the owner says that he has done something; False where there is nobody to be asked."""
        ...
