"""com.atproto.lexicon.*: schemas that others have published."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import MINUTE, Limit
from tempest_pds.http.xrpc import query
from tempest_pds.protocol.syntax.nsid import Nsid

RESOLUTIONS: Final = Limit("lexicon-resolution", 300, 5 * MINUTE)


@query("com.atproto.lexicon.resolveLexicon", limits=(RESOLUTIONS,), elsewhere=True)
async def resolve_lexicon(call: Call) -> Answer:
    """Give the lexicon that is published under an NSID, proven by its publisher's signature."""
    found = await call.services.lexicon_resolution.resolve(Nsid.parse(call.params["nsid"]))
    return {"uri": found.uri, "cid": str(found.cid), "schema": found.document}
