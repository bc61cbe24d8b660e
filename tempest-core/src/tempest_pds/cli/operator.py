"""How commands ask the server: the one that runs on the data directory, or, where none does, one in this process.

    with Operator.connect(os.environ) as operator:
        operator.call("com.atproto.admin.getAccountInfo", params={"did": did})
        operator.stream("/xrpc/_admin/blobs/scrub", {}, on_progress=show)

Commands know nothing but methods and routes, so they do the same either way, and what a command can do, an
administrator can do over HTTP as well.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, BinaryIO, Final, Self
from urllib.parse import urlencode

from tempest_pds.cli.running_server import RunningServer
from tempest_pds.cli.settings_report import load_or_explain
from tempest_pds.cli.transport import Reply, ServerUnreachable, Transport
from tempest_pds.logs import configure_logs
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.progress import Progress, silent
from tempest_pds.settings import Settings
from tempest_pds.stores.control_file import ControlFile
from tempest_pds.stores.data_directory import DataDirectory, DataDirectoryInUse
from tempest_pds.stores.file_owners import owner_if_other

_SECONDS_TO_START: Final = 10.0
_CHUNK: Final = 65_536
Params = Mapping[str, str | int | bool | Sequence[str]]


class OperatorError(TempestError):
    """The command cannot reach a server; one line that says what to change."""


class CallRefused(TempestError):
    """The server refused a call.

    Attributes:
        status: of the answer; 0 when a long task failed on its way.
        error: the name that the protocol gives the refusal.
    """

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message or error)
        self.status = status
        self.error = error


class Operator:
    """Asks as the administrator; use it in a `with` block.

    Attributes:
        offline: whether no server runs, and this process owns the data directory for now.
    """

    def __init__(self, transport: Transport, *, offline: bool) -> None:
        self._transport = transport
        self.offline = offline

    @classmethod
    def connect(cls, environ: Mapping[str, str]) -> Self:
        """Find the server that runs on the data directory of the environment, or open the directory here.

        Raises OperatorError, SettingsError, or what keeps a server from starting.
        """
        settings = load_or_explain(environ)
        _require_directory(settings)
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            running = _running_server(settings)
            if running is not None:
                return cls(running, offline=False)
            try:
                return cls(_open_here(settings, environ), offline=True)
            except DataDirectoryInUse as error:
                # A server that is just starting or stopping, or another command: neither takes long.
                if time.monotonic() > deadline:
                    reason = str(error).partition(";")[0]
                    raise OperatorError(f"{reason}, which takes no commands yet; try again when it does") from error
                time.sleep(0.1)

    def call(
        self,
        target: str,
        *,
        params: Params | None = None,
        input: object = None,  # noqa: A002 - the lexicons' word
        file: BinaryIO | None = None,
        anonymous: bool = False,
    ) -> dict[str, Any]:
        """Call a method or route and give its JSON answer, `{}` where it has none.

        Args:
            target: an NSID, or a path such as `/xrpc/_admin/status`.
            params: the query; None for none.
            input: the JSON body: it makes the call a POST, also when it is `{}`. None makes it a GET.
            file: sent as it is, in place of a JSON body.
            anonymous: for a method that anybody calls, and that takes no administrator.

        Raises CallRefused, ServerUnreachable.
        """
        if file is not None:
            chunks = iter(lambda: file.read(_CHUNK), b"")
            headers = {"Content-Type": "application/octet-stream"}
            reply = self._ask("POST", target, params, headers, chunks, anonymous)
        elif input is None:
            reply = self._ask("GET", target, params, {}, (), anonymous)
        else:
            data = json.dumps(input).encode()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
            reply = self._ask("POST", target, params, headers, (data,), anonymous)
        return _json(b"".join(reply.chunks) or b"{}")

    def stream(
        self,
        target: str,
        input: object = None,  # noqa: A002 - the lexicons' word
        *,
        on_progress: Progress = silent,
    ) -> dict[str, Any]:
        """Have a long task done, and give its result.

        Args:
            target: a path below `/xrpc/_admin/`.
            input: the JSON body, an object; None for `{}`.
            on_progress: told how far it is.

        Raises CallRefused, ServerUnreachable.
        """
        data = json.dumps({} if input is None else input).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        reply = self._ask("POST", target, None, headers, (data,))
        with closing(reply.chunks) as chunks:
            for line in _lines(chunks):
                told = _json(line)
                if "progress" in told:
                    progress = told["progress"]
                    on_progress(progress["what"], progress["done"], progress["total"])
                elif "error" in told:
                    raise CallRefused(0, told["error"], told.get("message", ""))
                else:
                    result: dict[str, Any] = told["result"]
                    return result
        raise ServerUnreachable("the server's answer broke off before its result")

    def download(self, target: str, *, params: Params | None = None) -> Generator[bytes, None, None]:
        """Give the body of an answer as it comes; raises CallRefused at once, ServerUnreachable where it breaks off."""
        return self._ask("GET", target, params, {}, ()).chunks

    def close(self) -> None:
        """Let go of the server, or of the data directory."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        target: str,
        params: Params | None,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        anonymous: bool = False,
    ) -> Reply:
        path = target if target.startswith("/") else f"/xrpc/{target}"
        if params:
            path = f"{path}?{_query(params)}"
        if not anonymous:
            # Not as a Bearer: some methods take that for the token of a session.
            basic = base64.b64encode(f"admin:{self._transport.token}".encode()).decode()
            headers = {**headers, "Authorization": f"Basic {basic}"}
        reply = self._transport.ask(method, path, headers, body)
        if reply.status >= 400:
            refusal = _json(b"".join(reply.chunks))
            raise CallRefused(reply.status, str(refusal.get("error", "")), str(refusal.get("message", "")))
        return reply


def _require_directory(settings: Settings) -> None:
    directory = settings.data_dir
    try:
        # What is there of a directory says nothing before its restore has come to its end.
        DataDirectory(directory).require_finished()
        found = (directory / "account.sqlite").is_file()
    except PermissionError:
        raise OperatorError(
            f"the data directory {directory} belongs to another user; run this command as that user"
        ) from None
    if not found:
        raise OperatorError(f"no server has run on {directory}; set TEMPEST_DATA_DIR to the server's data directory")


def _running_server(settings: Settings) -> RunningServer | None:
    try:
        control = ControlFile(settings.data_dir).read()
    except PermissionError:
        raise OperatorError(_wrong_user(settings)) from None
    # The file of a process that was killed is still there. Anybody may have its port by now, and say what it would say.
    if control is None or DataDirectory(settings.data_dir).owner() != control.pid:
        return None
    server = RunningServer(control)
    try:
        reply = server.greet()
        if reply.status == 200 and _json(b"".join(reply.chunks)).get("pid") == control.pid:
            return server
    except ServerUnreachable:
        pass
    return None


def _open_here(settings: Settings, environ: Mapping[str, str]) -> Transport:
    if owner_if_other(settings.data_dir) is not None:
        raise OperatorError(_wrong_user(settings))
    configure_logs("error", "console")
    _require_same_directory_of_dids(settings)
    # The whole of the server: who asks a running one does not need it.
    from tempest_pds.cli.in_process import InThisProcess

    try:
        return InThisProcess(settings, environ)
    except sqlite3.Error as error:
        raise OperatorError(f"cannot open {settings.data_dir}: {error}") from error
    except OSError as error:
        reason = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        raise OperatorError(f"cannot open {settings.data_dir}: {reason}") from error


def _require_same_directory_of_dids(settings: Settings) -> None:
    """Refuse the settings of localhost on the data of a public server: its accounts are in another directory."""
    data = settings.data_dir
    ledger = data / "plc_ledger.jsonl"
    if settings.plc_url is None and not ledger.exists() and any((data / "repos").glob("*/did_plc_*")):
        raise OperatorError(f"the server of {data} had other settings; give this command the server's environment")


def _wrong_user(settings: Settings) -> str:
    owner = owner_if_other(settings.data_dir) or "another user"
    return f"the data directory {settings.data_dir} belongs to {owner}; run this command as that user"


def _query(params: Params) -> str:
    shown = {
        name: ("true" if value else "false") if isinstance(value, bool) else value for name, value in params.items()
    }
    return urlencode(shown, doseq=True)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ServerUnreachable("what answers is no Tempest, or its answer broke off")
    return value
