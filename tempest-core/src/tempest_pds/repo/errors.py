"""What goes wrong with a repository: the blocks it is read from, the writes asked of it, others' proofs."""

from __future__ import annotations

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, ProtocolError, TempestError


class MissingBlock(TempestError):
    """A block that the tree or a proof needs is not in its source; `cid` names it."""

    def __init__(self, cid: CID) -> None:
        super().__init__(f"missing block {cid}")
        self.cid = cid


class InvalidNode(InvalidEncoding):
    """A block that is not a node of a Merkle search tree, or not one that may stand at its place."""


class InvalidRepoPath(ProtocolError):
    """A path that the tree cannot hold; `path` is it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"not a path of a repository: {path[:80]!r}")
        self.path = path


class RecordExists(TempestError):
    """A record to be created is there already; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is a record at {path}")
        self.path = path


class RecordMissing(TempestError):
    """A record to be updated or deleted is not there; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no record at {path}")
        self.path = path


class RecordDiffers(TempestError):
    """A change that starts from another version of the record than the tree holds; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the record at {path} is not the version that the change starts from")
        self.path = path


class TooManyOps(TempestError):
    """A commit of more operations than one event may carry."""


class CommitTooLarge(TempestError):
    """A commit whose blocks are larger than one event may carry."""


class InvalidRepo(ProtocolError):
    """A repository, a commit event or a proof of someone else's that does not hold."""
