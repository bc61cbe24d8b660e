"""An app as a person sees it: what it calls itself, and what is certain about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from tempest_pds.http.pages.people.wording.entries import printable
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.services.oauth.requests import OpenRequest

_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class AppView:
    """An app that asks for something.

    Attributes:
        name: what it calls itself, which anybody can claim; None when it has no name.
        host: whose server says what the app may do, which is its identity; None for a client in development.
        is_ours: the operator names it as one of their own.
        destination: the host that the person is taken to afterwards, where it is another one; None for an app or a
            program on the person's own device as well.
        answers_to: the whole address that the answer goes to.
    """

    name: str | None
    host: str | None
    client_id: str
    is_ours: bool
    destination: str | None
    answers_to: str
    policy: str | None
    terms: str | None

    @classmethod
    def of(cls, request: OpenRequest) -> Self:
        """Look at the client of a request."""
        metadata = request.client.metadata
        client_id = metadata.client_id
        host = client_id.host if isinstance(client_id, DiscoverableClientId) else None
        redirect = request.parameters.reply.redirect_uri
        url = redirect.url
        target = None if url is None or redirect.is_loopback else url.host
        return cls(
            name=app_name(metadata.client_name),
            host=host,
            client_id=request.client.client_id,
            is_ours=request.client.is_trusted,
            destination=None if target == host else target,
            answers_to=redirect,
            policy=_link(metadata.policy_uri),
            terms=_link(metadata.tos_uri),
        )


def app_name(text: str | None) -> str | None:
    """Return what an app calls itself, as a person may be shown it; None for no name."""
    return printable(text, _NAME_LENGTH) or None


def _link(address: str | None) -> str | None:
    """Pass on what is a web address: a link could be a script as well."""
    return address if address is not None and address.startswith(("https://", "http://")) else None
