"""HTTP: the public URL leads to this very server, in the version that is installed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tempest_pds.doctor.examination import AskedTooOften, Examination
from tempest_pds.doctor.finding import Finding, failure, ok, skipped, warning
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import BadAnswer, RemoteError
from tempest_pds.remote.safe_fetch import Fetched
from tempest_pds.settings import Settings
from tempest_pds.telemetry import software_version

_FROM_THE_PROXY: Final = frozenset({502, 503, 504})
# What relays take for another relay, and do not subscribe to.
_RELAYS_OWN: Final = "atproto-relay"


async def check_http(examination: Examination) -> Sequence[Finding]:
    """Ask for health and for the description, from outside and, where it is, on this machine."""
    url = examination.deployment.public_url
    try:
        answer = await examination.get("/xrpc/_health")
    except RemoteError as error:
        return [
            failure(
                f"{url} cannot be reached: {explain(error)}",
                "start the server and the proxy, and mend what dns and tls say",
            ),
            *await _here(examination, None),
        ]
    version = _version(answer)
    findings = [_health(examination, answer, version)]
    if _RELAYS_OWN in answer.headers.get("server", "").lower():
        findings.append(
            failure(
                f"answers bear the header Server: {answer.headers['server']}, so relays take this server for a relay "
                "and stay away",
                "let the proxy remove or change the Server header",
            )
        )
    if version is not None:
        findings.append(await _description(examination))
    return [*findings, *await _here(examination, version)]


def _version(answer: Fetched) -> str | None:
    try:
        found = answer.json()
    except BadAnswer:
        return None
    version = found.get("version") if isinstance(found, dict) else None
    return version if isinstance(version, str) else None


def _health(examination: Examination, answer: Fetched, version: str | None) -> Finding:
    url = f"{examination.deployment.public_url}/xrpc/_health"
    if version is not None and answer.status == 200:
        return ok(f"{url} answers as version {version}")
    if version is not None:
        return failure(
            f"{url} answers {answer.status}: the server runs, and its account database does not answer",
            "look for `health check failed` in the log; mostly the disk is full or the files belong to another user",
        )
    if answer.status in _FROM_THE_PROXY:
        return failure(
            f"{url} answers {answer.status}: the proxy does not reach the server behind it",
            "start the server, and compare the address in the proxy's configuration with PORT and TEMPEST_BIND_ADDRESS",
        )
    return failure(
        f"{url} answers {answer.status}, and not as a PDS does: something else serves this name",
        "let the proxy pass all paths of this host on to the server",
    )


async def _description(examination: Examination) -> Finding:
    deployment = examination.deployment
    try:
        found = await examination.description()
    except AskedTooOften as error:
        return skipped(f"what the server says of itself: {error}")
    except RemoteError as error:
        return failure(f"describeServer: {error}", "let the proxy pass every path below /xrpc/ on, with its query")
    did, domains = found.get("did"), found.get("availableUserDomains")
    if deployment.settings is not None:
        if did != deployment.settings.service_did or domains != list(deployment.settings.handle_domains):
            return failure(
                f"the server at {deployment.public_url} is {did} with handles under {domains}, and the settings here "
                f"say {deployment.settings.service_did} with {list(deployment.settings.handle_domains)}",
                "give the doctor the server's own environment; or the name leads to another server",
            )
    elif did != f"did:web:{deployment.hostname}":
        return warning(
            f"the server calls itself {did}, and not did:web:{deployment.hostname}",
            f"set TEMPEST_HOSTNAME={deployment.hostname} if it was meant to have this name",
        )
    return ok(f"it is {did}, with handles under {_list(domains)}")


async def _here(examination: Examination, public_version: str | None) -> list[Finding]:
    settings = examination.deployment.settings
    if settings is None:
        return []
    url = examination.local_url()
    try:
        answer = await examination.get_here("/xrpc/_health")
    except RemoteError as error:
        return [
            failure(
                f"no server answers here at {url}: {explain(error)}",
                "start it: tempest serve, or the service; its log says why it ended",
            )
        ]
    version = _version(answer)
    if version is None:
        return [failure(f"{url} is served by something else than Tempest", "stop that, or set PORT")]
    findings = []
    if version != software_version():
        findings.append(
            warning(
                f"version {version} runs here, and {software_version()} is installed",
                "restart the server, so that what is installed runs",
            )
        )
    if public_version is not None:
        findings.append(await _same_server(examination, settings))
    return findings


async def _same_server(examination: Examination, settings: Settings) -> Finding:
    """Tell whether outside and here are one server, by the accounts that both list."""
    try:
        here, there = [
            _accounts((await ask("/xrpc/com.atproto.sync.listRepos?limit=1000")).json())
            for ask in (examination.get_here, examination.get)
        ]
    except RemoteError as error:
        return skipped(f"whether outside and here are one server: {explain(error)}")
    if not here and not there:
        return ok(f"the server here, on port {settings.port}, has no account yet by which to tell it from another")
    # Somebody may sign up between the two questions; nobody leaves.
    if here <= there:
        return ok(f"the server here, on port {settings.port}, is the one that the public URL leads to")
    return failure(
        f"{examination.deployment.public_url} leads to another server: accounts that are here are not there",
        "let DNS and the proxy lead to this machine, and stop the other server: two with one name lose writes",
    )


def _accounts(page: object) -> set[str]:
    rows = page.get("repos") if isinstance(page, dict) else None
    return {str(row.get("did")) for row in rows} if isinstance(rows, list) else set()


def _list(domains: object) -> str:
    return ", ".join(map(str, domains)) if isinstance(domains, list) else "no domain"
