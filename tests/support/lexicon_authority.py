"""Somebody who publishes permission sets: a domain, an account in the PLC directory, and a host with its repository."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.foreign_repo import Foreign
from tests.support.oauth_internet import OAuthInternet

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis, update
from tempest_pds.repo.commit import sign_commit

_COLLECTION = "com.atproto.lexicon.schema"
_PATH = "/xrpc/com.atproto.sync.getRecord"


class LexiconAuthority:
    """The publisher of what is named below a domain, whose host may be out of order."""

    def __init__(self, internet: OAuthInternet, domain: str) -> None:
        self._internet = internet
        self._domain = domain
        self._host = f"{domain.partition('.')[0]}-lexicons.example.edu"
        self._owner, self._key = generate_k256(), generate_k256()
        owner = self._owner.public.did_key
        self._last = genesis(
            handle=self._host,
            signing_key=self._key.public.did_key,
            pds_url=f"https://{self._host}",
            rotation_keys=[owner],
            signer=self._owner,
        )
        self.did = did_for_genesis(self._last)
        internet.publish_did(self.did, self._last)
        self._records: dict[str, Any] = {}
        self.come_back()

    def publish(self, name: str, permissions: Sequence[Mapping[str, Any]], **texts: Any) -> str:
        """Publish a set, in place of what there was under its name; return its NSID."""
        nsid = f"{'.'.join(reversed(self._domain.split('.')))}.{name}"
        main = {"type": "permission-set", "permissions": list(permissions), **texts}
        self._records[nsid] = {"$type": _COLLECTION, "lexicon": 1, "id": nsid, "defs": {"main": main}}
        self.come_back()
        return nsid

    def rotate_key(self) -> None:
        """Sign with another key from now on, as the directory says too."""
        self._key = generate_k256()
        self._last = update(self._last, self._owner, signing_key=self._key.public.did_key)
        self._internet.publish_did(self.did, self._last)
        self.come_back()

    def come_back(self) -> None:
        """Be there, and answer as one should."""
        self._internet.world.publishes_lexicons(self._domain, self.did)
        repo = Foreign({f"{_COLLECTION}/{nsid}": record for nsid, record in self._records.items()}, self.did)
        proof = repo.under(sign_commit(self.did, repo.commit.rev, repo.data, self._key))
        self.answer(base64=b64encode(proof).decode(), headers={"Content-Type": "application/vnd.ipld.car"})

    def answer(self, **page: Any) -> None:
        """Answer so; see `tests.support.internet`."""
        self._internet.world.page(self._host, _PATH, **page)

    def be_killed(self) -> None:
        """Be out of reach."""
        self.answer(breaks=True)

    def withdraw(self) -> None:
        """Publish nothing any more."""
        self._internet.world.publishes_lexicons(self._domain)
