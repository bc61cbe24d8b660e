"""The refusals around repositories, records and blobs, under the names that the lexicons and clients know."""

from tempest_pds.services.errors import InvalidRequest


class RepoNotFound(InvalidRequest):
    """No repository of that account here."""


class RepoBusy(InvalidRequest):
    """The repository cannot be written to at the moment."""


class RepoTakendown(InvalidRequest):
    """The repository's account was taken down by a moderator."""


class RepoSuspended(InvalidRequest):
    """The repository's account is suspended for a time."""


class RepoDeactivated(InvalidRequest):
    """The repository's account was deactivated by its owner."""


class RecordNotFound(InvalidRequest):
    """No such record; clients match the text `Could not locate record`."""


class InvalidRecord(InvalidRequest):
    """A record that cannot be written as it stands."""

    name = "InvalidRequest"


class InvalidSwap(InvalidRequest):
    """The repository or record is not in the state that the writer expected."""


class BlockNotFound(InvalidRequest):
    """A block that the repository does not hold."""


class HeadNotFound(InvalidRequest):
    """A repository without a commit."""


class BlobNotFound(InvalidRequest):
    """A blob that the account does not have."""


class BlobTooLarge(InvalidRequest):
    """A blob over the limit of this server."""


class InvalidMimeType(InvalidRequest):
    """A blob reference whose type is not that of the stored blob."""


class InvalidSize(InvalidRequest):
    """A blob reference whose size is not that of the stored blob."""


class FutureCursor(InvalidRequest):
    """A firehose cursor above every event there is."""
