"""An archive inside an age file, so that whoever holds the archive alone holds nothing.

The server knows the recipient (`age1…`), which only encrypts; the identity (`AGE-SECRET-KEY-1…`) is kept elsewhere. Any
implementation of age opens the file: `age -d -i identity.txt backup.tar.age | tar x`. https://age-encryption.org/v1
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.errors import BackupDamaged, BackupEncrypted
from tempest_pds.services.backup.tar import StreamReader
from tempest_pds.services.finishing import in_thread

if TYPE_CHECKING:
    from pyrage.x25519 import Identity, Recipient

MAGIC: Final = b"age-encryption.org/"
_READ_SIZE: Final = 256 * 1024
_CHANGED: Final = "the backup cannot be decrypted: it was changed, or ends too early"


class EncryptionUnusable(TempestError):
    """A key that is not one, or the library for it is not installed."""


def recipient(text: str) -> Recipient:
    """Read a recipient, `age1…`; raise EncryptionUnusable."""
    library = _library()
    try:
        return library.x25519.Recipient.from_str(text.strip())
    except library.RecipientError as error:
        raise EncryptionUnusable(
            "TEMPEST_BACKUP_RECIPIENT must be an age recipient (age1…), as `tempest backup new-key` makes it"
        ) from error


def identities(path: Path) -> Sequence[Identity]:
    """Read the identities of a file, one a line; lines with # are comments. Raises EncryptionUnusable."""
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptionUnusable(f"cannot read identities from {path}") from error
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not wanted:
        raise EncryptionUnusable(f"there is no identity (AGE-SECRET-KEY-1…) in {path}")
    library = _library()
    try:
        return [library.x25519.Identity.from_str(line) for line in wanted]
    except library.IdentityError as error:
        raise EncryptionUnusable(f"a line of {path} is no identity (AGE-SECRET-KEY-1…)") from error


def new_identity() -> tuple[str, str]:
    """Make a key: the identity, which is secret, and its recipient."""
    identity = _library().x25519.Identity.generate()
    return str(identity), str(identity.to_public())


async def encrypted(chunks: AsyncIterator[bytes], to: Recipient) -> AsyncIterator[bytes]:
    """Encrypt a stream; what it raises comes out here, before the encrypted stream has come to its end."""
    reader = StreamReader(chunks)
    async with aclosing(_through(reader, lambda sink: _library().encrypt_io(reader, sink, [to]))) as stream:
        async for chunk in stream:
            yield chunk


async def decrypted(chunks: AsyncIterator[bytes], with_identities: Sequence[Identity]) -> AsyncIterator[bytes]:
    """Decrypt a stream; raise BackupEncrypted when the identities do not fit, BackupDamaged when it was changed."""
    reader = StreamReader(chunks)
    library = _library()
    try:
        keys = list(with_identities)
        async with aclosing(_through(reader, lambda sink: library.decrypt_io(reader, sink, keys))) as stream:
            async for chunk in stream:
                yield chunk
    except library.DecryptError as error:
        if "No matching keys" in str(error):
            raise BackupEncrypted("the backup is encrypted for another key than this one") from error
        raise BackupDamaged(_CHANGED) from error
    except OSError as error:
        if error is reader.failure:
            raise
        raise BackupDamaged(_CHANGED) from error


async def _through(reader: StreamReader, work: Callable[[IO[bytes]], object]) -> AsyncGenerator[bytes, None]:
    """Run what writes to a file in a thread of its own, and stream what it writes; its errors come out at the end."""
    source, sink = os.pipe()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(sink, "wb") as file:
                work(file)
        except BaseException as error:  # noqa: BLE001 - raised below, where the stream is read
            failure.append(error)

    thread = threading.Thread(target=run, name="tempest-age", daemon=True)
    thread.start()
    try:
        while chunk := await in_thread(os.read, source, _READ_SIZE):
            yield chunk
    finally:
        # Whoever stops early makes the writer fail, and end.
        os.close(source)
        await in_thread(thread.join)
    if reader.failure is not None:
        raise reader.failure
    if failure:
        raise failure[0]


def _library() -> Any:
    try:
        import pyrage  # only where it is wanted: it is an extra
    except ImportError as error:
        raise EncryptionUnusable(
            f"TEMPEST_BACKUP_RECIPIENT: encrypted backups need a package: {sys.executable} -m pip install pyrage"
        ) from error
    return pyrage
