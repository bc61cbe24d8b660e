"""What `tempest doctor` says of names and certificates that are wrong."""

import pytest
from tests.support.doctor_report import findings, only_failure, only_warning
from tests.support.examined_deployment import HOSTNAME, URL, ExaminedDeployment
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
def test_a_certificate_that_is_refused(examined: ExaminedDeployment, proxy: str, cause: str, cure: str) -> None:
    failures = findings(examined.doctor("--only", "tls", proxy=proxy), "failure")
    assert cause in failures[0]
    assert cure in failures[0].partition(". Cure: ")[2]


def test_an_authority_that_nobody_trusts(examined: ExaminedDeployment) -> None:
    """As for everybody who was not given the file of the authority."""
    root = examined.options()[-1]
    result = examined.doctor("--only", "tls", "--ca-file", str(examined.authority.root), proxy="right")
    assert str(examined.authority.root) != root
    failures = findings(result, "failure")
    assert "the chain of the certificate is incomplete, or its authority is not trusted" in failures[0]
    assert "fullchain.pem" in failures[0]


def test_no_certificate_for_handles(examined: ExaminedDeployment) -> None:
    line = only_failure(examined.doctor("--only", "tls", proxy="no-wildcard"))
    assert f"{examined.account.handle} at 127.0.0.1: the certificate is for another name" in line
    assert "on_demand" in line


def test_a_certificate_that_ends_soon(examined: ExaminedDeployment) -> None:
    warnings = findings(examined.doctor("--only", "tls", proxy="nearly-expired"), "warning")
    assert len(warnings) == 2
    assert "4 days from now, and not renewed" in warnings[0]
    assert "why renewal fails" in warnings[0]


def test_an_address_of_ipv6_that_leads_nowhere(examined: ExaminedDeployment) -> None:
    """Of two addresses one is answered: those who try the other first are slow, or give up."""
    examined.dns.records |= {(HOSTNAME, "A"): ["127.0.0.1"], (HOSTNAME, "AAAA"): ["::1"]}
    url = f"https://{HOSTNAME}:{examined.port('ipv4-only')}"
    options = [*examined.options("ipv4-only"), "--url", url, "--only", "tls", "--handle", examined.account.handle]
    warnings = findings(examined.doctor_with(options, outside=True), "warning")
    assert f"{HOSTNAME} at ::1 (IPv6): the connection is refused" in warnings[0]
    assert "remove the AAAA record" in warnings[0]


def test_no_redirect_to_https(examined: ExaminedDeployment) -> None:
    plain = f"80=127.0.0.1:{examined.tempest.port}"
    line = only_warning(examined.doctor("--only", "tls", "--connect-to", plain))
    assert "in place of a redirect" in line
    assert "redirect port 80 to HTTPS" in line


# DNS


def test_a_hostname_without_an_address(examined: ExaminedDeployment) -> None:
    examined.dns.records = {}
    line = only_failure(examined.doctor("--only", "dns"))
    assert f"{HOSTNAME} has no address in DNS" in line
    assert f"make an A record (and AAAA, if the machine has IPv6) for {HOSTNAME}" in line


def test_a_private_address(examined: ExaminedDeployment) -> None:
    examined.dns.records[HOSTNAME, "A"] = examined.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    failures = findings(examined.doctor("--only", "dns"), "failure")
    assert len(failures) == 2
    assert f"{HOSTNAME} leads to 192.168.1.5, a private address" in failures[0]
    assert "name the public address" in failures[0]


def test_a_private_address_is_right_in_a_private_network(examined: ExaminedDeployment) -> None:
    examined.dns.records[HOSTNAME, "A"] = examined.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    result = examined.doctor("--only", "dns", settings={"TEMPEST_SSRF_PROTECTION": "false"})
    assert findings(result, "failure") == []
    assert len(findings(result, "ok")) == 2


def test_no_wildcard_for_handles(examined: ExaminedDeployment) -> None:
    del examined.dns.records[f"*.{HOSTNAME}", "A"]
    line = only_failure(examined.doctor("--only", "dns"))
    assert f"*.{HOSTNAME} has no address in DNS" in line
    assert f"make a wildcard record *.{HOSTNAME}" in line


def test_a_wildcard_that_leads_elsewhere(examined: ExaminedDeployment) -> None:
    examined.dns.records[f"*.{HOSTNAME}", "A"] = ["1.2.3.5"]
    assert "and not to 1.2.3.4 as the hostname does" in only_warning(examined.doctor("--only", "dns"))


def test_name_servers_that_do_not_answer(examined: ExaminedDeployment) -> None:
    """Ours is taken out of the options: what is asked is a port where nobody listens."""
    silent = [*examined.options()[2:], "--nameserver", f"127.0.0.1:{free_port()}", "--only", "dns"]
    line = only_failure(examined.doctor_with(silent))
    assert "no name server answers" in line
    assert "/etc/resolv.conf" in line
