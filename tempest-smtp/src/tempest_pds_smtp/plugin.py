"""The registration of the SMTP mailer. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_plugins import Adapter, Environment, Mailer, PluginContext, hookimpl
from tempest_pds_plugins.settings import declared, read
from tempest_pds_smtp.settings import SmtpSettings


def create(environment: Environment, context: PluginContext) -> Mailer:
    """Make the mailer; aiosmtplib is imported here, when it is selected."""
    from tempest_pds_smtp.smtp_mailer import SmtpMailer

    return SmtpMailer(read(SmtpSettings, environment), context.hostname)


@hookimpl
def register_mailers() -> list[Adapter[Mailer]]:
    """Offer SMTP."""
    return [Adapter("smtp", create, declared(SmtpSettings), "a mail server over SMTP")]
