"""Which handles this server gives out, and which it lets an account bring."""

from collections.abc import Sequence
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.errors import HandleNotAvailable, InvalidHandle
from tempest_pds.services.reserved_names import RESERVED_NAMES

MIN_LENGTH: Final = 3
MAX_LENGTH: Final = 18


class HandleRules:
    """The rules of the domains under which accounts get handles.

    Args:
        domains: each with its leading dot: `.pds.example.com`.
    """

    def __init__(self, domains: Sequence[str]) -> None:
        self.domains = tuple(domains)

    def is_hosted(self, handle: Handle) -> bool:
        """Tell whether a handle lies in one of the server's domains."""
        return handle.endswith(self.domains)

    def is_ours(self, handle: Handle) -> bool:
        """Tell whether nobody else can speak for a handle: it is hosted, or is a domain itself."""
        return self.is_hosted(handle) or f".{handle}" in self.domains

    def parse(self, text: str, *, allow_reserved: bool = False) -> Handle:
        """Read a handle and check it against the rules that hold before anybody is asked.

        Raises:
            InvalidHandle: malformed, never resolvable, or outside the rules of its hosted domain.
            HandleNotAvailable: a reserved name.
        """
        try:
            handle = Handle.parse(text)
        except InvalidSyntax as error:
            raise InvalidHandle("Input/handle must be a valid handle") from error
        if handle.is_disallowed_tld and not self.is_hosted(handle):
            raise InvalidHandle("Handle TLD is invalid or disallowed")
        domain = next((domain for domain in self.domains if handle.endswith(domain)), None)
        if domain is not None:
            self._check_hosted(handle.removesuffix(domain), allow_reserved=allow_reserved)
        return handle

    def _check_hosted(self, front: str, *, allow_reserved: bool) -> None:
        if "." in front:
            raise InvalidHandle("Invalid characters in handle")
        if len(front) < MIN_LENGTH:
            raise InvalidHandle("Handle too short")
        if len(front) > MAX_LENGTH:
            raise InvalidHandle("Handle too long")
        if not allow_reserved and front in RESERVED_NAMES:
            raise HandleNotAvailable("Reserved handle")
