"""`tempest mail`: trying the mail server out."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from tempest_pds.adapter_selection import Selection
from tempest_pds.cli.plugins_command import context_of
from tempest_pds.cli.settings_report import load_or_explain
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.mail_check import send_test_mail
from tempest_pds_plugins.errors import InvalidMail, PluginError
from tempest_pds_plugins.mailer import Mailer


@click.group("mail")
def mail() -> None:
    """Try the mail server."""


@mail.command("test")
@click.argument("address")
def test(address: str) -> None:
    """Send one mail to ADDRESS and tell what the mail server said.

    The mail goes out at once and not by way of the outbox, so a running server has no part in it. Ends with 1 if it was
    not taken.
    """
    settings = load_or_explain(os.environ)
    selection = Selection.from_environment(os.environ)
    if selection.mailer == "log":
        raise TempestError("no mail is sent, only logged: set TEMPEST_SMTP_ENABLED=true, or another TEMPEST_MAILER")
    plugins = PluginManager.load(os.environ)
    plugins.require_sound()
    mailer = plugins.create_mailer(selection.mailer, os.environ, context_of(os.environ))
    trouble = asyncio.run(_try_out(mailer, address, settings.hostname))
    if trouble is not None:
        click.echo(f"not sent: {trouble}", err=True)
        sys.exit(1)
    click.echo(f"sent: the mail server has taken a mail to {address}")


async def _try_out(mailer: Mailer, address: str, hostname: str) -> str | None:
    try:
        await mailer.open()
        return await send_test_mail(mailer, address, hostname)
    except InvalidMail as error:
        raise TempestError(f"{address!r} cannot be mailed to: {error}") from None
    except PluginError as error:
        raise TempestError(" ".join(str(error).split())) from None
    finally:
        await mailer.close()
