"""How a page for people ends without an answer of its own."""

from __future__ import annotations

from collections.abc import Sequence

from tempest_pds.http.errors import Header, XrpcError
from tempest_pds.protocol.errors import TempestError


class Refusal(XrpcError):
    """A refusal whose message is one of the texts, to be shown in the visitor's language."""

    def __init__(self, status: int, message: str, headers: Sequence[Header] = ()) -> None:
        super().__init__(status, "Refused", message, headers)


class GoElsewhere(TempestError):
    """The browser is sent to another page of ours, to come back from there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


FORM_TOO_OLD = "This form is too old, or was not opened in this browser. Go back, reload the page and try again."
NO_SUCH_PAGE = "There is no such page."
NOT_THIS_WAY = "This address cannot be asked this way."
TOO_MANY_ATTEMPTS = "Too many attempts. Please wait some minutes."
"""What the site itself says."""
