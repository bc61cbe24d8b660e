"""Trying the mailer out, for the operator: what is wrong, in one line, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from tempest_pds_plugins.errors import PluginError
from tempest_pds_plugins.mailer import Mail, Mailer

_SECONDS: Final = 120.0


async def check_mailer(mailer: Mailer) -> str | None:
    """Go as far as the mailer can without a mail; return what is wrong, or None."""
    return await _trouble(mailer.check())


async def send_test_mail(mailer: Mailer, address: str, hostname: str) -> str | None:
    """Send one mail at once, past the outbox; return what is wrong, or None."""
    mail = Mail(
        address,
        f"A test mail from {hostname}",
        f"This mail was sent by `tempest mail test` on {hostname}.\n\nIt arrived: mail from this server works.\n",
    )
    return await _trouble(mailer.send(mail))


async def _trouble(trial: Awaitable[None]) -> str | None:
    try:
        async with asyncio.timeout(_SECONDS):
            await trial
    except TimeoutError:
        return f"no result within {_SECONDS:g} seconds"
    except PluginError as error:
        return " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - a fault of the adapter, told as one
        return f"a fault of the mailer: {type(error).__name__}"
    return None
