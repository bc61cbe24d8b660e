"""Methods, declared: a decorator over a function names its NSID, and what a call costs.

    @query("com.atproto.repo.describeRepo")
    async def describe_repo(call: Call) -> Answer:
        return await call.services.repos.describe(call.params["repo"])

Who may call it stands in `method_access`. The lexicon of that NSID parses parameters and input and, in development,
checks the answer. A module of `tempest_pds.http.methods` holds such functions; nothing is registered at import,
`http.methods` collects them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import GLOBAL, Limit

if TYPE_CHECKING:
    from tempest_pds.http.socket import Socket

Handler = Callable[[Call], Awaitable[Answer]]
SocketHandler = Callable[[Call, "Socket"], Awaitable[None]]
Cost = int | Callable[[Call], int]

HTTP_METHOD: Final = {"query": "GET", "procedure": "POST"}


@dataclass(frozen=True, slots=True)
class Method:
    """One method as it is declared; calling it calls its function.

    Attributes:
        limits: one point each is counted against these, after the call is parsed and authorised.
        cost: points against the hourly and daily limits of writes; None when the method writes nothing.
        global_limit: counted first, for every request; None for a method that has a limit of its own instead.
        elsewhere: whether an `atproto-proxy` header that names another service sends the call there.
        loose: whether `name[]` and `name[0]` are other spellings of the parameter `name`, as some clients write.
        max_input: the largest JSON body in bytes, if not that of the settings.
    """

    nsid: str
    kind: Literal["query", "procedure", "subscription"]
    handler: Callable[..., Awaitable[Any]]
    limits: Sequence[Limit] = ()
    cost: Cost | None = None
    global_limit: Limit | None = GLOBAL
    elsewhere: bool = False
    max_input: int | None = None
    loose: bool = False

    async def __call__(self, *arguments: Any) -> Any:
        """Call the function itself, without parsing or authorisation."""
        return await self.handler(*arguments)


def query(
    nsid: str,
    *,
    limits: Sequence[Limit] = (),
    global_limit: Limit | None = GLOBAL,
    elsewhere: bool = False,
    loose: bool = False,
) -> Callable[[Handler], Method]:
    """Declare a query; see `Method` for the arguments."""

    def declare(handler: Handler) -> Method:
        return Method(nsid, "query", handler, limits, None, global_limit, elsewhere, loose=loose)

    return declare


def procedure(
    nsid: str,
    *,
    limits: Sequence[Limit] = (),
    cost: Cost | None = None,
    elsewhere: bool = False,
    max_input: int | None = None,
) -> Callable[[Handler], Method]:
    """Declare a procedure; see `Method` for the arguments."""

    def declare(handler: Handler) -> Method:
        return Method(nsid, "procedure", handler, limits, cost, GLOBAL, elsewhere, max_input)

    return declare


def subscription(nsid: str, *, limits: Sequence[Limit] = ()) -> Callable[[SocketHandler], Method]:
    """Declare a subscription: its function is given the call and an accepted `Socket`."""

    def declare(handler: SocketHandler) -> Method:
        return Method(nsid, "subscription", handler, limits)

    return declare
