"""`tempest serve`: run the server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sqlite3
import sys
from contextlib import suppress
from typing import IO, Any, Final

import click

from tempest_pds.allocator import give_memory_back
from tempest_pds.lean_imports import lean_imports

with lean_imports():
    from tempest_pds.app import build_app
    from tempest_pds.cli.settings_report import load_or_explain
    from tempest_pds.http.server import AddressInUse, bind, loopback_url, make_server, new_event_loop_factory
    from tempest_pds.logs import configure_logs
    from tempest_pds.plugin_errors import AdapterAway
    from tempest_pds.protocol.errors import TempestError
    from tempest_pds.stores.data_directory import DataDirectoryInUse
    from tempest_pds.telemetry import software_version

_OPEN_FILES: Final = 65_536
_MAY_PASS: Final = (AdapterAway, AddressInUse, DataDirectoryInUse)


class NotNow(click.ClickException):
    """The server cannot start, from a cause that may pass by itself: whoever supervises it tries again."""

    # EX_TEMPFAIL of sysexits.h.
    exit_code = 75

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line as that of any other refusal."""
        click.echo(f"tempest: {' '.join(self.message.split())}", file=file, err=True)


@click.command("serve")
def serve() -> None:
    """Run the server.

    Settings come from the environment: see `tempest config`. SIGINT and SIGTERM stop it, once the requests in flight
    are answered. A start that is refused ends with 2, or with 75 where it may succeed later as it is.
    """
    try:
        _serve()
    except _MAY_PASS as error:
        raise NotNow(str(error)) from error


def _serve() -> None:
    settings = load_or_explain(os.environ)
    writer = configure_logs(settings.log_level, settings.log_format)
    _allow_open_files()
    give_memory_back()
    # Before anything is opened: two servers on one port is the commonest mistake of all.
    listener = bind(settings.bind_address, settings.port)
    app = build_app(settings, os.environ, writer)

    def ready() -> None:
        app.take_commands(loopback_url(listener))
        # What lives from here on lives for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        click.echo(f"Tempest {software_version()} is ready at {settings.public_url}, data in {settings.data_dir}")
        sys.stdout.flush()

    server = make_server(app, ready)
    try:
        with asyncio.Runner(loop_factory=new_event_loop_factory()) as runner:
            runner.run(server.serve(sockets=[listener]))
    except SystemExit:
        # uvicorn leaves so when the lifespan fails; the reason is with the application.
        if app.startup_error is None:
            raise
    except KeyboardInterrupt:
        return
    finally:
        listener.close()
        writer.flush()
    error = app.startup_error
    if isinstance(error, TempestError):
        raise error
    if isinstance(error, sqlite3.Error):
        # A file that cannot be opened is told of by its name: this is a disk that is full by now, or fails.
        raise NotNow(f"cannot start: {error}") from error
    if isinstance(error, OSError):
        raise TempestError(f"cannot start: {error.strerror or error}: {error.filename or ''}".rstrip(": ")) from error
    if error is not None:
        raise error


def _allow_open_files() -> None:
    """Take as many file descriptors as the system allows: an open repository has five, and many begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
