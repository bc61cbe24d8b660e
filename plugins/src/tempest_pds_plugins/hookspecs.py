"""The hooks: what a plugin may offer, what it is told, and what it is asked.

A plugin is a module. Its functions marked with `hookimpl` and named as below are called, and may leave out the
arguments they do not need; arguments may be added here in a later version without breaking them. Hooks are
synchronous and run where the request runs: a hook that takes a millisecond slows everybody by a millisecond. What has
to wait puts its work into a queue of its own.

* *Registration* hooks return the adapters on offer. They are called once, when the server or a command starts.
* *Observers* are told what happened. What they raise is logged under the plugin's name and changes nothing.
* *Policies* are asked before something happens, and return None, or the reason for a refusal in words for the person
  refused. The first refusal counts. A policy that raises refuses: a guard that fails must not leave the door open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tempest_pds_plugins.adapters import Adapter
from tempest_pds_plugins.backup_sink import BackupSink
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.mailer import Mailer
from tempest_pds_plugins.markers import hookspec
from tempest_pds_plugins.telemetry_exporter import TelemetryExporter

RecordAction = Literal["create", "update", "delete"]
AccountChange = Literal[
    "created",
    "activated",
    "deactivated",
    "suspended",
    "taken_down",
    "restored",
    "deleted",
    "handle",
    "identity",
    "email",
    "password",
]
SignInMethod = Literal["password", "app_password"]
"""What somebody signed in with: the account's own password, or an app password. More may be added."""
SecondFactor = Literal["totp", "recovery_code", "passkey"]
"""What was asked for beside the password: a code of an authenticator app, a recovery code, a passkey."""
SignInSurface = Literal["api", "pages", "authorize"]
"""Where somebody signs in: by createSession, on the account pages, or on the pages where an app is allowed in."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What a commit did to one record: `cid` is that of the new version, None for a delete."""

    action: RecordAction
    collection: str
    rkey: str
    cid: str | None


# Registration


@hookspec
def register_blob_stores() -> Sequence[Adapter[BlobStore]]:  # type: ignore[empty-body]
    """Offer blob stores, for ``TEMPEST_BLOB_STORE``."""


@hookspec
def register_backup_sinks() -> Sequence[Adapter[BackupSink]]:  # type: ignore[empty-body]
    """Offer backup sinks, for ``TEMPEST_BACKUP_STORE``."""


@hookspec
def register_mailers() -> Sequence[Adapter[Mailer]]:  # type: ignore[empty-body]
    """Offer mailers, for ``TEMPEST_MAILER``."""


@hookspec
def register_telemetry_exporters() -> Sequence[Adapter[TelemetryExporter]]:  # type: ignore[empty-body]
    """Offer telemetry exporters, for ``TEMPEST_TELEMETRY``."""


# Observers


@hookspec
def server_started(hostname: str, public_url: str, version: str) -> None:
    """The server answers from now on."""


@hookspec
def server_stopping(hostname: str) -> None:
    """The server has been told to stop; what is in flight still ends."""


@hookspec
def record_committed(did: str, rev: str, commit: str, changes: tuple[RecordChange, ...]) -> None:
    """A repository has a new commit, which is stored and will be announced: `commit` is its CID, `rev` its revision."""


@hookspec
def account_changed(did: str, handle: str | None, change: AccountChange) -> None:
    """An account was created or has changed; `handle` is the one it has now.

    `identity` says that its owner changed what its DID says: who remembers that should look it up anew.
    """


@hookspec
def signed_in(
    did: str,
    handle: str | None,
    client_ip: str | None,
    method: SignInMethod,
    second_factor: SecondFactor | None,
    surface: SignInSurface,
    client_id: str | None,
) -> None:
    """A session of an account was opened by a password. The one that comes with a new account is not told of here.

    `client_id` is that of the app which somebody was sent by to the pages; None when none did.
    """


@hookspec
def app_authorized(
    did: str,
    handle: str | None,
    client_id: str,
    client_name: str | None,
    scopes: tuple[str, ...],
    client_ip: str | None,
) -> None:
    """Somebody has let an app do with an account what `scopes` say."""


@hookspec
def app_revoked(did: str, handle: str | None, client_id: str) -> None:
    """An app may do nothing any more with an account: its owner has said so."""


@hookspec
def blob_stored(did: str, cid: str, mime_type: str, size: int) -> None:
    """An account's upload is stored, still temporary until a record refers to it."""


# Policies


@hookspec
def check_sign_up(handle: str, email: str | None, invite_code: str | None, client_ip: str | None) -> str | None:
    """Somebody wants an account with this handle."""


@hookspec
def check_sign_in(
    did: str,
    handle: str | None,
    client_ip: str | None,
    method: SignInMethod,
    second_factor: SecondFactor | None,
    surface: SignInSurface,
    client_id: str | None,
) -> str | None:
    """Somebody has given all that an account takes, and gets a session unless refused.

    That is its password, or an app password of it, and the second factor where it has one: only who knows them is
    refused here, so a reason may speak of the account. A session that is open already goes on: this is not asked again
    when its tokens are replaced. `client_id` is as in `signed_in`.
    """


@hookspec
def check_consent(
    did: str,
    handle: str | None,
    client_id: str,
    client_name: str | None,
    scopes: tuple[str, ...],
    client_ip: str | None,
) -> str | None:
    """Somebody is about to let an app do with an account what `scopes` say.

    `client_id` is the address of a document that the app's server gave; `client_name` is the app's own word for itself.
    """


@hookspec
def check_blob(did: str, cid: str, mime_type: str, size: int) -> str | None:
    """An account's upload has arrived in full, with this sniffed type, and is not stored yet."""


@hookspec
def check_record(did: str, action: RecordAction, collection: str, rkey: str, record: bytes | None) -> str | None:
    """A record is about to be written; `record` is its JSON, None for a delete."""
