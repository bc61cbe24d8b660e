"""What `tempest doctor` says of names and certificates that are wrong."""

import pytest
from tests.support.deployment import HOSTNAME, URL, Deployment
from tests.support.doctor_report import findings, only_failure, only_warning
from tests.support.process import free_port

# TLS


@pytest.mark.parametrize(
    ("proxy", "cause", "cure"),
    [
        ("expired", "the certificate has expired", "renew it"),
        ("self-signed", "the certificate is self-signed", "get one from a public authority"),
        ("other-name", "for another name (for www.example.com", f"get a certificate for {HOSTNAME}"),
        ("plain", "does not speak TLS", f"let the proxy serve {URL}"),
        ("closed", "the connection is refused", "start the proxy, and open port"),
    ],
)
def test_a_certificate_that_is_refused(deployment: Deployment, proxy: str, cause: str, cure: str) -> None:
    failures = findings(deployment.doctor("--only", "tls", proxy=proxy), "failure")
    assert cause in failures[0]
    assert cure in failures[0].partition(". Cure: ")[2]


def test_an_authority_that_nobody_trusts(deployment: Deployment) -> None:
    """As for everybody who was not given the file of the authority."""
    root = deployment.options()[-1]
    result = deployment.doctor("--only", "tls", "--ca-file", str(deployment.authority.root), proxy="right")
    assert str(deployment.authority.root) != root
    failures = findings(result, "failure")
    assert "the chain of the certificate is incomplete, or its authority is not trusted" in failures[0]
    assert "fullchain.pem" in failures[0]


def test_no_certificate_for_handles(deployment: Deployment) -> None:
    line = only_failure(deployment.doctor("--only", "tls", proxy="no-wildcard"))
    assert f"{deployment.account.handle} at 127.0.0.1: the certificate is for another name" in line
    assert "on_demand" in line


def test_a_certificate_that_ends_soon(deployment: Deployment) -> None:
    warnings = findings(deployment.doctor("--only", "tls", proxy="nearly-expired"), "warning")
    assert len(warnings) == 2
    assert "4 days from now, and not renewed" in warnings[0]
    assert "why renewal fails" in warnings[0]


def test_an_address_of_ipv6_that_leads_nowhere(deployment: Deployment) -> None:
    """Of two addresses one is answered: those who try the other first are slow, or give up."""
    deployment.dns.records |= {(HOSTNAME, "A"): ["127.0.0.1"], (HOSTNAME, "AAAA"): ["::1"]}
    url = f"https://{HOSTNAME}:{deployment.port('ipv4-only')}"
    options = [*deployment.options("ipv4-only"), "--url", url, "--only", "tls", "--handle", deployment.account.handle]
    warnings = findings(deployment.doctor_with(options, outside=True), "warning")
    assert f"{HOSTNAME} at ::1 (IPv6): the connection is refused" in warnings[0]
    assert "remove the AAAA record" in warnings[0]


def test_no_redirect_to_https(deployment: Deployment) -> None:
    plain = f"80=127.0.0.1:{deployment.tempest.port}"
    line = only_warning(deployment.doctor("--only", "tls", "--connect-to", plain))
    assert "in place of a redirect" in line
    assert "redirect port 80 to HTTPS" in line


# DNS


def test_a_hostname_without_an_address(deployment: Deployment) -> None:
    deployment.dns.records = {}
    line = only_failure(deployment.doctor("--only", "dns"))
    assert f"{HOSTNAME} has no address in DNS" in line
    assert f"make an A record (and AAAA, if the machine has IPv6) for {HOSTNAME}" in line


def test_a_private_address(deployment: Deployment) -> None:
    deployment.dns.records[HOSTNAME, "A"] = deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    failures = findings(deployment.doctor("--only", "dns"), "failure")
    assert len(failures) == 2
    assert f"{HOSTNAME} leads to 192.168.1.5, a private address" in failures[0]
    assert "name the public address" in failures[0]


def test_a_private_address_is_right_in_a_private_network(deployment: Deployment) -> None:
    deployment.dns.records[HOSTNAME, "A"] = deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    result = deployment.doctor("--only", "dns", settings={"TEMPEST_SSRF_PROTECTION": "false"})
    assert findings(result, "failure") == []
    assert len(findings(result, "ok")) == 2


def test_no_wildcard_for_handles(deployment: Deployment) -> None:
    del deployment.dns.records[f"*.{HOSTNAME}", "A"]
    line = only_failure(deployment.doctor("--only", "dns"))
    assert f"*.{HOSTNAME} has no address in DNS" in line
    assert f"make a wildcard record *.{HOSTNAME}" in line


def test_a_wildcard_that_leads_elsewhere(deployment: Deployment) -> None:
    deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["1.2.3.5"]
    assert "and not to 1.2.3.4 as the hostname does" in only_warning(deployment.doctor("--only", "dns"))


def test_name_servers_that_do_not_answer(deployment: Deployment) -> None:
    """Ours is taken out of the options: what is asked is a port where nobody listens."""
    silent = [*deployment.options()[2:], "--nameserver", f"127.0.0.1:{free_port()}", "--only", "dns"]
    line = only_failure(deployment.doctor_with(silent))
    assert "no name server answers" in line
    assert "/etc/resolv.conf" in line
