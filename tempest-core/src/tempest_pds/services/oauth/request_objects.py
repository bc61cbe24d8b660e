"""Request objects (JAR), each taken once.

Which were taken is known to this process alone. After a restart one could be taken again for the rest of its minute; it
asks for nothing that its client did not want then, and its PKCE challenge serves for one code only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tempest_pds.protocol.oauth.authorization_parameters import ByObject, ByValue
from tempest_pds.protocol.oauth.errors import InvalidRequestObject
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.request_object import check_request_object
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.spent_tokens import CannotTell, SpentTokens, TokenSpent

CAPACITY: Final = 50_000
"""How many are remembered: those of a minute and a half at 550 requests a second, in 5 MB."""


class RequestObjects:
    """Check request objects.

    Args:
        issuer: this server, the one audience that an object may be for.
        clock: the time in seconds since 1970.
    """

    def __init__(self, issuer: str, *, capacity: int = CAPACITY, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._clock = clock
        self._spent = SpentTokens(capacity)

    def parameters(self, given: ByValue | ByObject, client: Client) -> Mapping[str, Any]:
        """Give the parameters of a request, from its object if it comes as one; raise InvalidRequestObject."""
        if isinstance(given, ByValue):
            return given.fields
        now = self._clock()
        found = check_request_object(
            given.request,
            client_id=client.client_id,
            issuer=self._issuer,
            keys=client.keys or JwkSet(()),
            now=now,
            algorithm=client.metadata.request_object_signing_alg,
        )
        try:
            self._spent.spend(f"{client.client_id} {found.jti}", found.forget_after, now)
        except TokenSpent as error:
            raise InvalidRequestObject("request: jti was used before") from error
        except CannotTell as error:
            raise NotEnoughResources("Too many requests at once, try again in a moment") from error
        return found.parameters
