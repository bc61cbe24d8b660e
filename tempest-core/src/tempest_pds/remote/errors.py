"""What goes wrong with other people's servers."""

from tempest_pds.protocol.errors import TempestError


class RemoteError(TempestError):
    """Another server could not be asked, or gave no usable answer."""


class Unreachable(RemoteError):
    """No connection, no name, or the connection broke."""


class ForbiddenAddress(RemoteError):
    """An address that this server never connects to on someone else's word."""


class Busy(RemoteError):
    """Too many requests are on their way already; this one was not sent."""


class TimedOut(RemoteError):
    """No complete answer within the time allowed."""


class AnswerTooLarge(RemoteError):
    """An answer longer than the limit; what was read so far is thrown away."""


class BadAnswer(RemoteError):
    """An answer that is not what the protocol says it should be."""


class OutOfOrder(BadAnswer):
    """An answer that says of itself that there is none to be had now."""


class NotFound(RemoteError):
    """The server knows for certain that there is no such thing."""


class DidNotFound(NotFound):
    """A DID that its method says does not exist, or that was deactivated for good."""


class DidDeactivated(DidNotFound):
    """A DID that existed, and was deactivated for good."""


class HandleNotFound(NotFound):
    """A handle that no method leads to a DID."""


class HandleUnreachable(RemoteError):
    """A handle that leads to no DID as far as could be asked; one of the methods did not answer."""


class LexiconNotFound(NotFound):
    """An NSID that leads to no Lexicon document, or to one that is none."""


class OperationRefused(RemoteError):
    """The PLC directory did not take an operation; the text is its own."""
