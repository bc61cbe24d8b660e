"""A server, a person on it, and clients made by hand that try what they should not."""

from __future__ import annotations

import itertools
from typing import Any

from tests.support.account import post
from tests.support.oauth_internet import APP, HOSTS, OAuthInternet, confidential, document
from tests.support.oauth_person import Person, ReferencePerson, TempestPerson
from tests.support.oauth_raw import RawClient, SigningKey, Tokens, leads_nowhere

_numbers = itertools.count(1)
REDIRECT = f"https://{APP}/callback"


class Stage:
    """One server; the clients are public ones with a document unless they are made otherwise."""

    def __init__(self, internet: OAuthInternet, which: str) -> None:
        self.internet = internet
        self.which = which
        self.issuer = f"https://{HOSTS[which]}"
        self.http = internet.http
        self.account = internet.sign_up(which)
        self.person = self.stranger()
        internet.publish("public.json", document("public.json"))
        self._signed_in: tuple[RawClient, Tokens] | None = None

    @property
    def is_reference(self) -> bool:
        return self.which == "reference"

    def stranger(self) -> Person:
        """Return the person with another browser."""
        return (ReferencePerson if self.is_reference else TempestPerson)(self.account, self.http)

    def client(self, **given: Any) -> RawClient:
        """Return a public client."""
        return RawClient(
            self.issuer, self.http, **{"client_id": f"https://{APP}/public.json", "redirect_uri": REDIRECT, **given}
        )

    def confidential(self, **said: Any) -> RawClient:
        """Return a client that signs, with a key and a document of its own."""
        name, key = f"signs-{self.which}-{next(_numbers)}.json", SigningKey("one")
        self.internet.publish(name, confidential(name, jwks={"keys": [key.jwk]}, **said))
        return RawClient(self.issuer, self.http, f"https://{APP}/{name}", REDIRECT, assertion_key=key)

    def published(self, **said: Any) -> RawClient:
        """Return a public client that says something else of itself."""
        name = f"says-{self.which}-{next(_numbers)}.json"
        self.internet.publish(name, document(name, **said))
        return self.client(client_id=f"https://{APP}/{name}")

    @property
    def signed_in(self) -> tuple[RawClient, Tokens]:
        """A client with tokens, for what does not end them."""
        if self._signed_in is None:
            client = self.client()
            self._signed_in = client, client.sign_in(self.person)
        return self._signed_in

    def leads_nowhere(self, client: RawClient, url: str) -> None:
        """Look that whoever is sent to this address with a new browser gets no further."""
        leads_nowhere(self.stranger(), client, url)

    def post(self, text: str = "by hand") -> dict[str, Any]:
        """Return the body of a createRecord."""
        return {"repo": self.account.did, "collection": "app.bsky.feed.post", "record": post(text)}
