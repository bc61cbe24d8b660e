"""DNS: the hostname and every handle below it lead to this server, from everywhere."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, ok, warning
from tempest_pds.doctor.network import NoNameServer
from tempest_pds.remote.addresses import is_public
from tempest_pds.remote.errors import RemoteError


async def check_dns(examination: Examination) -> Sequence[Finding]:
    """Ask name servers, not the hosts file of this machine: nobody else reads that."""
    hostname = examination.deployment.hostname
    try:
        addresses = await examination.network.addresses(hostname)
    except NoNameServer as error:
        return [
            failure(
                str(error),
                "mend the name servers of this machine (/etc/resolv.conf), or ask another one by --nameserver 1.1.1.1",
            )
        ]
    if not addresses:
        return [
            failure(
                f"{hostname} has no address in DNS: nobody can find this server",
                f"make an A record (and AAAA, if the machine has IPv6) for {hostname} that leads to its public address",
            )
        ]
    wildcards = [await _wildcard(examination, domain, addresses) for domain in await _handle_domains(examination)]
    return [_judge(hostname, addresses, examination.deployment.allow_private), *wildcards]


def _judge(name: str, addresses: Sequence[str], allow_private: bool) -> Finding:
    listed = ", ".join(addresses)
    private = [address for address in addresses if not is_public(address)]
    if private and not allow_private:
        return failure(
            f"{name} leads to {', '.join(private)}, a private address: relays and other servers refuse to connect",
            f"let the A and AAAA records of {name} name the public address of the machine or of its proxy",
        )
    return ok(f"{name} leads to {listed}")


async def _wildcard(examination: Examination, domain: str, expected: Sequence[str]) -> Finding:
    # A name that nobody has made a record for by hand.
    name = f"doctor-{secrets.token_hex(4)}{domain}"
    wildcard = f"*{domain}"
    try:
        addresses = await examination.network.addresses(name)
    except NoNameServer as error:
        return failure(str(error), f"look whether the name servers of {domain[1:]} answer")
    if not addresses:
        return failure(
            f"{wildcard} has no address in DNS: handles under {domain} do not lead here, and show as invalid",
            f"make a wildcard record {wildcard} with the same addresses as {examination.deployment.hostname}",
        )
    if set(addresses) != set(expected):
        return warning(
            f"{wildcard} leads to {', '.join(addresses)}, and not to {', '.join(expected)} as the hostname does",
            f"give {wildcard} the same records, unless another proxy there passes handles on to this server",
        )
    return _judge(wildcard, addresses, examination.deployment.allow_private)


async def _handle_domains(examination: Examination) -> Sequence[str]:
    if examination.deployment.handle_domains:
        return examination.deployment.handle_domains
    try:
        found = (await examination.description()).get("availableUserDomains")
    except RemoteError:
        found = None
    domains = [str(domain) for domain in found] if isinstance(found, list) else []
    return domains or [f".{examination.deployment.hostname}"]
