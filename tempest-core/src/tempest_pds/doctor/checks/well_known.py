"""The well-known documents: what others ask a host name for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, note, ok, skipped, warning
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import BadAnswer, RemoteError
from tempest_pds.remote.safe_fetch import Fetched

# Each with the field that must be the public URL.
_OAUTH: Final = (("oauth-protected-resource", "resource"), ("oauth-authorization-server", "issuer"))
_HOST: Final = "see proxy: the Host header must arrive"
_PASS_ON: Final = "let the proxy pass /.well-known/ of every host name on to the server"  # noqa: S105 - no password


async def check_well_known(examination: Examination) -> Sequence[Finding]:
    """Ask for the server's own document, a handle's DID, and the metadata of OAuth."""
    findings = [await _did_document(examination)]
    if not examination.deployment.is_local:
        findings.append(await _atproto_did(examination))
    findings += [await _oauth(examination, name, field) for name, field in _OAUTH]
    return findings


async def _did_document(examination: Examination) -> Finding:
    deployment = examination.deployment
    did = (await examination.description()).get("did")
    if did != f"did:web:{deployment.hostname}":
        return skipped(f"did.json: the server is {did}, which is not answered for here")
    answer = await examination.get("/.well-known/did.json")
    if answer.status != 200:
        return failure(
            f"did.json answers {answer.status}: nobody can check that a token for {did} is meant for this server",
            _HOST if answer.status == 404 else _PASS_ON,
        )
    try:
        document = DidDocument.parse(answer.json())
    except (BadAnswer, InvalidSyntax):
        return failure("did.json is no DID document", _PASS_ON)
    if document.did != did or document.pds_endpoint != deployment.public_url:
        return failure(
            f"did.json says that {document.did} is at {document.pds_endpoint}, and not {did} at "
            f"{deployment.public_url}",
            f"set TEMPEST_PUBLIC_URL={deployment.public_url} and start the server again",
        )
    return ok(f"did.json names {deployment.public_url}")


async def _atproto_did(examination: Examination) -> Finding:
    handle = await examination.hosted_handle()
    if handle is None:
        return skipped("atproto-did: there is no account with a handle of this server yet")
    url = f"https://{handle}/.well-known/atproto-did"
    try:
        answer = await examination.network.http.fetch("GET", url)
    except RemoteError as error:
        return failure(f"{url} cannot be reached: {explain(error)}", "see dns for the wildcard, and tls for handles")
    did = answer.body.decode("utf-8", "replace").strip()
    if answer.status != 200 or not did.startswith("did:"):
        cure = _HOST if answer.status == 404 else _PASS_ON
        return failure(f"{url} answers {answer.status}, and no DID: the handle shows as invalid", cure)
    return ok(f"{url} answers {did}")


async def _oauth(examination: Examination, name: str, field: str) -> Finding:
    answer = await examination.get(f"/.well-known/{name}")
    if answer.status == 404:
        return note(f"{name} is not served by this version: clients sign in by password or app password")
    found = _json(answer)
    if answer.status != 200 or found is None:
        return failure(f"{name} answers {answer.status}, and no metadata", _PASS_ON)
    public_url = examination.deployment.public_url
    if found.get(field) != public_url:
        return failure(
            f"{name} says {found.get(field)} in place of {public_url}: clients refuse to sign in",
            f"set TEMPEST_PUBLIC_URL={public_url} and start the server again",
        )
    if answer.headers.get("access-control-allow-origin") != "*":
        return warning(f"{name} may not be read by clients in a browser", "let the proxy leave the CORS headers alone")
    return ok(f"{name} names {public_url}")


def _json(answer: Fetched) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except BadAnswer:
        return None
    return found if isinstance(found, dict) else None
