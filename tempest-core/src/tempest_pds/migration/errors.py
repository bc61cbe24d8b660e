"""What keeps a move from going on; each is one line that says what to change, or what to wait for."""

from __future__ import annotations

from tempest_pds.protocol.errors import TempestError


class MigrationError(TempestError):
    """A move that cannot go on as it was asked for."""


class CallRefused(MigrationError):
    """A server refused a call.

    Attributes:
        server: which of the two, as messages call it.
        status: of the answer.
        error: the name that the protocol gives the refusal; empty where the server gave none.
        reason: the server's own words.
        retry_after: seconds that the server wants to be left alone for, where it said so.
    """

    def __init__(
        self, server: str, nsid: str, status: int, error: str, reason: str, retry_after: float | None = None
    ) -> None:
        said = ": ".join(part for part in (error, reason) if part) or f"status {status}"
        super().__init__(f"{server} refuses {nsid.rpartition('.')[2]}: {said}")
        self.server = server
        self.status = status
        self.error = error
        self.reason = reason
        self.retry_after = retry_after


class NotNow(MigrationError):
    """What keeps the move waiting may pass by itself, or by something its owner does: the same command goes on."""


class CodeAwaited(NotNow):
    """A server has mailed a code, and nobody is here to type it.

    Attributes:
        told: who mailed what.
        option: takes the code when the command is given again.
    """

    def __init__(self, told: str, option: str) -> None:
        super().__init__(f"{told}: give the same command with {option} CODE")
        self.told = told
        self.option = option


class ServerAway(NotNow):
    """A server does not answer, or only with errors of its own."""


class Undone(MigrationError):
    """The move is over, and something is not as it should be; the report before it says what."""
