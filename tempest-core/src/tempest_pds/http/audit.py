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
    _log.info("admin.action", method=call.nsid, by=by, subject=subject, ip=call.client_ip, **detail)
