"""Settings: whether the server would start with them, and what they leave weak."""

from __future__ import annotations

from collections.abc import Sequence

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, failure, note, ok, skipped, warning
from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.settings import Settings
from tempest_pds.settings_loading import misspelt_names, names_not_read_yet


async def check_settings(examination: Examination) -> Sequence[Finding]:
    """Look at the environment as the server reads it."""
    deployment = examination.deployment
    if deployment.settings_error is not None:
        return [failure(f"the server would not start: {deployment.settings_error}", "set what the line says")]
    settings = deployment.settings
    if settings is None:
        return [skipped("needs the machine of the server: run it there, with the server's environment")]
    findings = [ok(f"{settings.hostname} at {settings.public_url}, data in {settings.data_dir}")]
    findings += _names(examination)
    if settings.is_local:
        findings.append(note("the hostname is localhost: nobody else can reach this server, and secrets are made up"))
    else:
        findings += _of_a_public_server(settings)
    return findings


def _names(examination: Examination) -> list[Finding]:
    environ = examination.deployment.environ
    plugins = examination.plugins
    try:
        plugins.require_sound()
    except TempestError as error:
        return [failure(f"the server would not start: {error}", "mend or uninstall the plugin; see `tempest plugins`")]
    known = [setting.name for _, setting in plugins.settings()]
    findings = []
    for name, nearest in misspelt_names(environ, known):
        cure = f"call it {nearest}, or remove it" if nearest else "remove it, or install the plugin that reads it"
        findings.append(warning(f"nothing reads the setting {name}", cure))
    findings += [note(f"this version does not read {name}") for name in names_not_read_yet(environ, known)]
    return findings


def _names_that_nobody_resolves(settings: Settings) -> list[Finding]:
    findings = []
    for domain in dict.fromkeys((f".{settings.hostname}", *settings.handle_domains)):
        handle = Handle.parse(f"alice{domain}")
        if not handle.is_disallowed_tld and handle.tld != "test":
            continue
        # In a private network the names of its own may well be right.
        tell = failure if settings.ssrf_protection else warning
        findings.append(
            tell(
                f"no public name ends like {domain[1:]}: other servers never resolve it, nor a handle below it",
                "choose a name below a domain of your own for TEMPEST_HOSTNAME and TEMPEST_HANDLE_DOMAINS, before the "
                "first account",
            )
        )
    return findings


def _of_a_public_server(settings: Settings) -> list[Finding]:
    findings = _names_that_nobody_resolves(settings)
    if not settings.ssrf_protection:
        findings.append(
            warning(
                "TEMPEST_SSRF_PROTECTION is off: strangers can make this server ask machines of your own network",
                "remove the setting, unless the whole network of servers is a private one",
            )
        )
    if settings.trusted_proxy_count == 0:
        findings.append(
            warning(
                "TEMPEST_TRUSTED_PROXY_COUNT is 0: behind a proxy all clients share one address, and its limits",
                "set it to the number of reverse proxies in front, which is 1 behind Caddy alone",
            )
        )
    if not settings.rate_limits_enabled:
        findings.append(
            warning(
                "TEMPEST_RATE_LIMITS_ENABLED is off: passwords can be guessed without end",
                "remove the setting; leave your own jobs out by TEMPEST_RATE_LIMIT_BYPASS_KEY",
            )
        )
    if settings.plc_recovery_key is None and settings.hosted_did_method == "plc":
        findings.append(
            note(
                "TEMPEST_PLC_RECOVERY_KEY is not set: if this machine and its copies are lost, nobody can move its "
                "accounts elsewhere"
            )
        )
    if settings.durability == "process":
        findings.append(
            warning(
                "TEMPEST_DURABILITY=process: a loss of power may take back writes that relays have seen",
                "remove the setting, unless you can take that",
            )
        )
    return findings
