"""Other people's servers that this one cannot do without: the PLC directory and the AppView."""

from __future__ import annotations

from collections.abc import Sequence

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, note, ok, warning
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError


async def check_plc(examination: Examination) -> Sequence[Finding]:
    """Reach the directory of did:plc."""
    url = examination.deployment.plc_url
    if url is None:
        return [note("a ledger in the data directory stands in for the PLC directory: nobody else sees these DIDs")]
    try:
        answer = await examination.network.http.fetch("GET", f"{url}/_health")
    except RemoteError as error:
        return [
            failure(
                f"the PLC directory {url} cannot be reached: {explain(error)}; nobody can sign up, and new DIDs cannot "
                "be resolved",
                "allow outgoing HTTPS, and look at TEMPEST_PLC_URL",
            )
        ]
    if answer.status != 200:
        return [
            failure(
                f"the PLC directory {url} answers {answer.status}",
                "look at TEMPEST_PLC_URL; if it is right, the directory itself is in trouble: wait",
            )
        ]
    return [ok(f"the PLC directory {url} answers")]


async def check_app_view(examination: Examination) -> Sequence[Finding]:
    """Reach the AppView that timelines and profiles come from."""
    url = examination.deployment.appview_url
    try:
        answer = await examination.network.http.fetch("GET", f"{url}/xrpc/_health")
    except RemoteError as error:
        # A server for one machine is of use without one.
        tell = warning if examination.deployment.is_local else failure
        return [
            tell(
                f"the AppView {url} cannot be reached: {explain(error)}; clients see no timeline and no profile",
                "allow outgoing HTTPS, and look at TEMPEST_APPVIEW_URL",
            )
        ]
    if answer.status >= 500:
        return [
            warning(
                f"the AppView {url} answers {answer.status}: clients may see no timeline",
                "wait if it is right: the trouble is over there; else correct TEMPEST_APPVIEW_URL",
            )
        ]
    return [ok(f"the AppView {url} answers")]
