"""`tempest health`: the health check of a container, so it reads two variables and imports next to nothing."""

import http.client
import json
import os
import sys
from typing import NoReturn

import click

_EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened on
_SECONDS = 5


@click.command("health")
def health() -> None:
    """Ask the server on this machine whether it is well.

    Finds it by PORT and TEMPEST_BIND_ADDRESS, as `tempest serve` does, and asks for `/xrpc/_health`. Ends with 1 when
    it is not well or does not answer.
    """
    bound = os.environ.get("TEMPEST_BIND_ADDRESS", "").strip()
    address = _EVERY_ADDRESS.get(bound, bound)
    port = os.environ.get("PORT", "").strip() or "4000"
    if not port.isdecimal() or int(port) > 65_535:
        _fail("PORT must be a whole number, at most 65535")
    connection = http.client.HTTPConnection(address, int(port), timeout=_SECONDS)
    try:
        connection.request("GET", "/xrpc/_health", headers={"Host": "localhost"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        hint = "" if os.environ.get("PORT", "").strip() else " (PORT is not set)"
        _fail(f"{address} port {port} does not answer: {getattr(error, 'strerror', None) or error}{hint}")
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        _fail(f"{address} port {port} answers {answer.status}")
    try:
        version = json.loads(body)["version"]
    except (ValueError, KeyError, TypeError):
        _fail(f"what answers on {address} port {port} is no Tempest")
    click.echo(f"Tempest {version} is well")


def _fail(reason: str) -> NoReturn:
    click.echo(f"tempest: {reason}", err=True)
    sys.exit(1)
