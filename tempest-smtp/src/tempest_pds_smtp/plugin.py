"""The registration of the SMTP mailer. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_plugins import Adapter, AdapterNotCarried, Environment, Mailer, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared
from tempest_pds_smtp.settings import SmtpSettings


def create(environment: Environment, context: PluginContext) -> Mailer:
    """Refuse, before anybody sets up what would not be used: this version cannot do the adapter's work."""
    raise AdapterNotCarried(
        "this version of tempest-pds-smtp carries the settings and not yet the work of the SMTP mailer; "
        "set TEMPEST_SMTP_ENABLED=false and no TEMPEST_MAILER, or install a later version"
    )


@hookimpl
def register_mailers() -> list[Adapter[Mailer]]:
    """Offer SMTP."""
    return [Adapter("smtp", create, declared(SmtpSettings), "a mail server over SMTP")]
