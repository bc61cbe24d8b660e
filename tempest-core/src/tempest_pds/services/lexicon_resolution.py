"""Lexicons that others have published, for whoever asks: com.atproto.lexicon.resolveLexicon.

The reference server has no such method; it resolves lexicons for itself, when an app asks for a permission set. What is
resolved here for that is of use to every client, and comes from the same memory.

A stranger can make the server ask at most these: one TXT record, one DID document, one record with its proof. Answers
and their absence are remembered, questions at the same time are asked once, and `MAX_OUTSIDE` bounds those under way.
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote import errors as remote
from tempest_pds.remote.lexicon_resolver import LexiconResolver, OwnProof, PublishedLexicon
from tempest_pds.services.errors import LexiconNotFound, UpstreamFailure
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.outside_questions import OutsideQuestions
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.sync_reads import SyncReads

MAX_OUTSIDE: Final = 32
"""Lexicons that may be looked up elsewhere for strangers at one time."""


class LexiconResolution:
    """Resolve NSIDs for whoever asks."""

    def __init__(self, lexicons: LexiconResolver) -> None:
        self._lexicons = lexicons
        self._outside = OutsideQuestions(MAX_OUTSIDE, "lexicons")

    async def resolve(self, nsid: Nsid) -> PublishedLexicon:
        """Give the document that is published under an NSID.

        Raises:
            LexiconNotFound: there is none, or what there is is not a valid document of this name.
            UpstreamFailure: it cannot be had now.
        """
        try:
            async with self._outside.asking(known=self._lexicons.knows(nsid)):
                return await self._lexicons.resolve(nsid)
        except remote.NotFound as error:
            raise LexiconNotFound(f"Could not resolve lexicon: {nsid}") from error
        except remote.RemoteError as error:
            raise UpstreamFailure("Unable to resolve lexicon, try again later") from error


def own_proofs(hosting: Hosting, sync: SyncReads, public_url: str) -> OwnProof:
    """Make what looks into the repositories of this server, as everybody sees them."""

    def proof(did: Did, path: str, endpoint: str) -> bytes | None:
        if endpoint.rstrip("/") != public_url.rstrip("/") or hosting.find(did) is None:
            return None
        if hosting.visible(did) is None:
            raise remote.LexiconNotFound(f"The repository of {did} is not shown")
        try:
            return sync.record_proof(did, path)
        except RepoNotFound as error:
            raise remote.LexiconNotFound(f"There is no repository of {did}") from error

    return proof
