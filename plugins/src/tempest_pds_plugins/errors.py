"""What a plugin may raise, as one small tree.

Core turns each kind into the right answer: not found, try again later, refuse to start. Anything else that escapes
from an adapter counts as a fault of the adapter, is logged with its name, and reaches the client as an internal
error.
"""


class PluginError(Exception):
    """Anything a plugin raises on purpose."""


class InvalidSettings(PluginError):
    """The adapter's settings cannot be used. The message is one line that says what to set, and shows no secret."""


class AdapterUnavailable(PluginError):
    """What stands behind the adapter does not answer, is full or refuses: the same call may succeed later."""


class StoreUnavailable(AdapterUnavailable):
    """The blob store or the backup sink cannot be reached or written at the moment."""


class StoreFull(StoreUnavailable):
    """There is no room left for the bytes."""


class InvalidKey(PluginError):
    """A key or a name outside the alphabet that every store must carry; see `check_key` and `check_name`."""


class BlobNotFound(PluginError):
    """No blob is stored under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no blob is stored under {key!r}")
        self.key = key


class BackupNotFound(PluginError):
    """No backup is kept under this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no backup is kept under {name!r}")
        self.name = name


class InvalidMail(PluginError):
    """A mail that must not be sent: a line break in a header, no recipient, no text."""


class MailRefused(PluginError):
    """The mail server refused this mail for good: sending it again changes nothing."""


class MailUnavailable(AdapterUnavailable):
    """The mail server cannot be reached, or asks to come back later."""


class MailPostponed(MailUnavailable):
    """The mail server is well, and wants this one mail later: its recipient's server greylists, a mailbox is full.

    A mailer that cannot tell raises `MailUnavailable`, which counts as a fault of the mail server: as soon as that
    takes any mail again, all that wait are tried.
    """
