"""One line in the log for each thing that an administrator or a moderator has done."""

from __future__ import annotations

from typing import Any

import structlog

from tempest_pds.http.context import Call

_log = structlog.get_logger("tempest_pds.audit")


def audit(call: Call, subject: object, **detail: Any) -> None:
    """Note what a call has done, once it is done: `by` whom, which method, to what.

    Args:
        subject: a DID, an AT-URI, or a list of them.
        detail: nothing that is secret or private: no password, no address, no text of a mail.
    """
    credentials = call.credentials
    by = "admin" if credentials is None or credentials.did is None else str(credentials.did)
    note_action(call.nsid, by, call.client_ip, subject, **detail)


def note_action(method: str, by: str, client_ip: str, subject: object, **detail: Any) -> None:
    """Note what somebody has done by a method or a page; see `audit`."""
    _log.info("admin.action", method=method, by=by, subject=subject, ip=client_ip, **detail)
