"""An observer: a file with a line for everything that happens."""

import json
import os
from collections.abc import Sequence

from tempest_pds_folder.settings import JournalSettings
from tempest_pds_plugins import RecordChange, SignInMethod, SignInSurface, hookimpl
from tempest_pds_plugins.settings import read


@hookimpl
def server_started(hostname: str, version: str) -> None:
    """Note the start. A hook takes the arguments it needs, by name, and leaves the others out."""
    _note(happened="started", hostname=hostname, version=version)


@hookimpl
def record_committed(did: str, rev: str, changes: Sequence[RecordChange]) -> None:
    """Note each record that a commit changed."""
    for change in changes:
        _note(happened=change.action, did=did, rev=rev, record=f"{change.collection}/{change.rkey}")


@hookimpl
def signed_in(did: str, client_ip: str | None, method: SignInMethod, surface: SignInSurface) -> None:
    """Note who signed in, from where, with which kind of password, and at which door."""
    _note(happened="sign-in", did=did, client_ip=client_ip, method=method, surface=surface)


@hookimpl
def app_authorized(did: str, client_id: str, scopes: tuple[str, ...]) -> None:
    """Note which app was let in, and to what."""
    _note(happened="app", did=did, client_id=client_id, scopes=scopes)


@hookimpl
def blob_stored(did: str, cid: str, size: int) -> None:
    """Note an upload."""
    _note(happened="blob", did=did, cid=cid, size=size)


@hookimpl
def check_sign_up(handle: str) -> str | None:
    """Refuse a sign-up. It stands here to show a policy: nobody may be called root."""
    return "This handle is not given out." if handle.split(".")[0] == "root" else None


def _note(**facts: object) -> None:
    path = read(JournalSettings, os.environ).path
    if path is not None:
        # A line is written in a fraction of a millisecond; what takes longer belongs into a queue and a thread.
        with path.open("a") as journal:
            journal.write(json.dumps(facts) + "\n")
