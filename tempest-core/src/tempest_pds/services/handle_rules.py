"""Which handles this server gives out, and which it lets an account bring."""

from collections.abc import Sequence
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.errors import HandleNotAvailable, InvalidHandle
from tempest_pds.services.reserved_names import RESERVED_NAMES
from tempest_pds.services.slurs import has_slur

MIN_LENGTH: Final = 3
MAX_LENGTH: Final = 18


class HandleRules:
    """The rules of the domains under which accounts get handles.

    Args:
        domains: each with its leading dot: `.pds.example.com`. One may lie in another; a handle is of the innermost.
        hostname: of the server, which is reserved where it lies in one of the domains.
    """

    def __init__(self, domains: Sequence[str], hostname: str | None = None) -> None:
        self.domains = tuple(domains)
        self._innermost_first = sorted(self.domains, key=len, reverse=True)
        self._hostname = hostname

    def is_hosted(self, handle: Handle) -> bool:
        """Tell whether a handle lies in one of the server's domains."""
        return handle.endswith(self.domains)

    def is_ours(self, handle: Handle) -> bool:
        """Tell whether nobody else can speak for a handle: it is hosted, or is a domain itself."""
        return self.is_hosted(handle) or f".{handle}" in self.domains

    def parse(self, text: str, *, allow_reserved: bool = False) -> Handle:
        """Read a handle and check it against the rules that hold before anybody is asked.

        Args:
            allow_reserved: whether a hosted handle may be a name that users do not get; a slur is one, too.

        Raises:
            InvalidHandle: malformed, never resolvable, a slur, or outside the rules of its hosted domain.
            HandleNotAvailable: a reserved name.
        """
        try:
            handle = Handle.parse(text)
        except InvalidSyntax as error:
            raise InvalidHandle("Input/handle must be a valid handle") from error
        if handle.is_disallowed_tld and not self.is_hosted(handle):
            raise InvalidHandle("Handle TLD is invalid or disallowed")
        domain = next((domain for domain in self._innermost_first if handle.endswith(domain)), None)
        if domain is not None:
            self._check_hosted(handle.removesuffix(domain), domain)
            if not allow_reserved:
                self._check_unreserved(handle, handle.removesuffix(domain))
        return handle

    def _check_hosted(self, front: str, domain: str) -> None:
        if "." in front:
            raise InvalidHandle(f"Invalid characters in handle: no dot may stand in front of {domain}")
        if len(front) < MIN_LENGTH:
            raise InvalidHandle("Handle too short")
        if len(front) > MAX_LENGTH:
            raise InvalidHandle("Handle too long")

    def _check_unreserved(self, handle: Handle, front: str) -> None:
        if has_slur(front):
            raise InvalidHandle("Inappropriate language in handle")
        # The host of the server, or of all handles of a domain within this one.
        if front in RESERVED_NAMES or handle == self._hostname or f".{handle}" in self.domains:
            raise HandleNotAvailable("Reserved handle")
