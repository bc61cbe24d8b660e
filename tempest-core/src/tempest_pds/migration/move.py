"""What all steps of a move have in hand: the plan, the owner, the folder, the two servers, and the account on each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tempest_pds.migration.errors import CallRefused, MigrationError
from tempest_pds.migration.identity import Identities
from tempest_pds.migration.journal import Journal
from tempest_pds.migration.owner import Owner, Side
from tempest_pds.migration.plan import Plan
from tempest_pds.migration.session import Session
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidPassword
from tempest_pds.services.password_rules import check_new_password

_PASSWORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Description:
    """What a server says of itself (com.atproto.server.describeServer).

    Attributes:
        domains: those that it gives handles under, each with a leading dot.
        blob_limit: in bytes; None where it does not say.
    """

    did: str
    domains: tuple[str, ...]
    invite_required: bool
    blob_limit: int | None

    @classmethod
    async def of(cls, server: Server) -> Description:
        """Ask a server; raise MigrationError for what is no PDS."""
        try:
            told = await server.query("com.atproto.server.describeServer")
        except CallRefused as error:
            raise MigrationError(f"{server.url} is not a PDS ({error})") from error
        did, domains, limit = told.get("did"), told.get("availableUserDomains"), told.get("blobUploadLimit")
        if not isinstance(did, str):
            raise MigrationError(f"{server.url} is not a PDS: it does not say its DID")
        return cls(
            did,
            tuple(str(domain) for domain in domains) if isinstance(domains, list) else (),
            told.get("inviteCodeRequired") is True,
            limit if isinstance(limit, int) else None,
        )


class Move:
    """One account on its way.

    Attributes:
        did: of the account.
        document: of that DID, as it was when the command began.
        source: None where it is gone, and a file takes its place.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        owner: Owner,
        journal: Journal,
        identities: Identities,
        did: Did,
        document: DidDocument,
        source: Server | None,
        target: Server,
        target_description: Description,
    ) -> None:
        self.plan = plan
        self.owner = owner
        self.journal = journal
        self.identities = identities
        self.did = did
        self.document = document
        self.source = source
        self.target = target
        self.target_description = target_description
        self._sessions: dict[str, Session] = {}

    @property
    def car(self) -> Path:
        """The file with the source's repository."""
        return self.journal.folder / "repo.car"

    @property
    def is_pointed_at_target(self) -> bool:
        """Whether the DID pointed at the target when the command began."""
        return is_same_server(self.document.pds_endpoint, self.target.url)

    async def at_source(self) -> Session:
        """Give the account at the source, logged in."""
        if self.source is None:
            raise MigrationError("the source is gone: what only it can give cannot be had")
        if "source" not in self._sessions:
            self._sessions["source"] = await self._log_in("source", self.source, self.plan.factor)
        return self._sessions["source"]

    async def at_target(self) -> Session:
        """Give the account at the target, logged in; raises MigrationError where there is none."""
        if "target" not in self._sessions:
            self._sessions["target"] = await self._log_in("target", self.target)
        return self._sessions["target"]

    def new_password(self) -> str:
        """Give the password that the account is to have at the target; raise MigrationError for none that can be."""
        for left in reversed(range(_PASSWORDS)):
            try:
                return check_new_password(self.owner.password("target", new=True))
            except InvalidPassword as error:
                refusal = f"{str(error).rstrip('.')}: give another password for the target"
                if not left or not self.owner.forget_password("target"):
                    raise MigrationError(refusal) from error
                self.owner.tell(f"{refusal}.")
        raise AssertionError

    async def _log_in(self, side: Side, server: Server, factor: str | None = None) -> Session:
        for left in reversed(range(_PASSWORDS)):
            password = self.owner.password(side, new=False)
            try:
                return await Session.open(server, self.did, password, self.owner, factor=factor)
            except CallRefused as error:
                if error.status != 401 or error.error not in ("AuthenticationRequired", ""):
                    raise
                refusal = f"{server.name} does not take the password: {error.reason or 'it is wrong'}"
                if not left or not self.owner.forget_password(side):
                    raise MigrationError(f"{refusal}{self._which_password(side)}") from error
                self.owner.tell(f"{refusal[0].upper()}{refusal[1:]}{self._which_password(side)}.")
        raise AssertionError

    def _which_password(self, side: Side) -> str:
        if side == "source":
            return ""
        if self.journal.step("account") is None:
            return "; it is the one of the account that is there already"
        return "; it is the one that you chose when an earlier run made the account"

    async def latest_rev(self, session: Session) -> str:
        """Give the revision of the account's repository on one of the servers."""
        latest = await session.query("com.atproto.sync.getLatestCommit", {"did": self.did})
        return str(latest.get("rev"))

    async def is_written_since(self, rev: str) -> bool:
        """Tell whether the source has another revision of the repository than this."""
        session = await self.at_source()
        try:
            return await self.latest_rev(session) != rev
        except CallRefused:
            # An account that was taken down is not told, and nothing is written to it either.
            if isinstance(session.account.get("status"), str):
                return False
            raise

    async def standing(self, session: Session) -> dict[str, Any]:
        """Give what a server says of the account (com.atproto.server.checkAccountStatus)."""
        return await session.query("com.atproto.server.checkAccountStatus")


def is_same_server(one: str | None, other: str) -> bool:
    """Tell whether two URLs of servers are the same, but for a slash at the end."""
    return one is not None and one.rstrip("/") == other.rstrip("/")
