"""TLS: certificates that every client accepts, for the hostname and for a handle, and with time left."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, note, ok, skipped, warning
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError

_WARN_BEFORE: Final = timedelta(days=14)


async def check_tls(examination: Examination) -> Sequence[Finding]:
    """Shake hands with each address of the hostname, and for a handle once."""
    parts = urlsplit(examination.deployment.public_url)
    if parts.scheme != "https":
        return [skipped(f"{examination.deployment.public_url} is not HTTPS")]
    port = parts.port or 443
    hostname = examination.deployment.hostname
    try:
        targets = await examination.network.look_up(hostname, port)
    except OSError:
        return [skipped(f"{hostname} leads to no address: see dns")]
    findings = [await _shake_hands(examination, hostname, *target) for target in targets]
    findings.append(await _handle(examination, port))
    findings.append(await _plain_http(examination))
    return findings


async def _handle(examination: Examination, port: int) -> Finding:
    try:
        handle = await examination.hosted_handle()
    except RemoteError:
        return skipped("a handle: the server does not answer, see http")
    if handle is None:
        return skipped("a handle: there is no account with one yet; name one by --handle")
    try:
        address, target = (await examination.network.look_up(handle, port))[0]
    except OSError:
        return failure(f"{handle} leads to no address", "make the wildcard record that dns asks for")
    return await _shake_hands(examination, handle, address, target)


async def _shake_hands(examination: Examination, host: str, address: str, port: int) -> Finding:
    try:
        found = await examination.network.certificate(host, address, port)
    except ssl.SSLCertVerificationError as error:
        shown = await _shown_certificate(examination, host, address, port)
        return failure(f"{host} at {address}: {explain(error)}{shown}", _cure(error, host))
    except ssl.SSLError as error:
        return failure(f"{host} at {address}: {explain(error)}", _cure_without_certificate(examination, host))
    except OSError as error:
        if ":" in address:
            return warning(
                f"{host} at {address} (IPv6): {explain(error)}",
                "if that is so from elsewhere too, let the server listen on IPv6 or remove the AAAA record",
            )
        return failure(
            f"{host} at {address} port {port}: {explain(error)}",
            f"start the proxy, and open port {port} in the firewall and at the provider",
        )
    return _judge(host, address, x509.load_der_x509_certificate(found))


def _judge(host: str, address: str, certificate: x509.Certificate) -> Finding:
    now = datetime.now(UTC)
    end = certificate.not_valid_after_utc
    left = end - now
    # Certificates may live for days only; such a one is near its end when a quarter is left.
    lifetime = end - certificate.not_valid_before_utc
    text = f"{host} at {address}: valid until {end:%Y-%m-%d}"
    if left < min(_WARN_BEFORE, lifetime / 4):
        return warning(
            f"{text}, {left.days} days from now, and not renewed",
            "look in the proxy's log for why renewal fails: mostly port 80 or 443 is closed, or DNS was changed",
        )
    return ok(text)


async def _shown_certificate(examination: Examination, host: str, address: str, port: int) -> str:
    """Describe a certificate that was refused, as far as it can be had."""
    try:
        found = x509.load_der_x509_certificate(
            await examination.network.certificate(host, address, port, verified=False)
        )
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = ", ".join(names.get_values_for_type(x509.DNSName)[:3])
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ""
    issuer = found.issuer.rfc4514_string()
    return f" (for {listed}, from {issuer}, valid until {found.not_valid_after_utc:%Y-%m-%d})"


def _cure(error: ssl.SSLCertVerificationError, host: str) -> str:
    problem = explain(error)
    if "expired" in problem:
        return "renew it, and look in the proxy's log for why it did not renew by itself"
    if "another name" in problem:
        return (
            f"get a certificate for {host}: Caddy with `on_demand` and `ask …/tls-check` does it for each handle; "
            "else one for the wildcard"
        )
    if "self-signed" in problem or "not trusted" in problem or "chain" in problem:
        return (
            "get one from a public authority, as Caddy does by itself, and let the proxy send the whole chain "
            "(fullchain.pem, not cert.pem)"
        )
    return "get a new certificate, and set the clock right"


def _cure_without_certificate(examination: Examination, host: str) -> str:
    if host == examination.deployment.hostname:
        return f"let the proxy serve https://{host}, and look in its log for why it has no certificate"
    return (
        "let the proxy get certificates for handles: in Caddy `on_demand_tls { ask http://127.0.0.1:4000/tls-check }` "
        "and `tls { on_demand }`"
    )


async def _plain_http(examination: Examination) -> Finding:
    hostname = examination.deployment.hostname
    try:
        answer = await examination.network.http.fetch("GET", f"http://{hostname}/xrpc/_health")
    except RemoteError:
        return note(f"nothing answers on http://{hostname}; who types the name without https:// sees an error")
    location = answer.headers.get("location", "")
    if 300 <= answer.status < 400 and location.startswith("https://"):
        return ok(f"http://{hostname} redirects to HTTPS")
    return warning(
        f"http://{hostname} answers with status {answer.status} in place of a redirect: passwords may travel in the "
        "clear",
        "let the proxy redirect port 80 to HTTPS, as Caddy does by itself",
    )
