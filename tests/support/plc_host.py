"""Servers whose accounts change their DIDs in a real PLC directory, with the codes that they mail."""

import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest
from tests.support.smtp_server import SmtpServer
from tests.support.troubled_directory import TroubledDirectory

from tempest_pds.protocol.crypto.keys import generate_p256, private_key
from tempest_pds.protocol.identity.plc_operation import Operation

IDENTITY, SERVER = "com.atproto.identity", "com.atproto.server"
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")
ROTATION_KEY = private_key(b"\x11" * 32)
"""The server's own, by setting: of the reference server in its support, and of Tempest here."""
OPERATOR_KEY = generate_p256().public.did_key


@dataclass
class Host:
    """A server, the directory behind it, and the way to the codes that it mails."""

    server: ServerProcess
    plc: PlcDirectory
    mailed: Callable[[Account], str]

    def last(self, did: str) -> Operation:
        status, last = json_request(f"{self.plc.url}/{did}/log/last")
        assert (status, isinstance(last, dict)) == (200, True)
        return last  # type: ignore[return-value]

    def code(self, account: Account) -> str:
        account.procedure(f"{IDENTITY}.requestPlcOperationSignature")
        return self.mailed(account)

    def signed(self, account: Account, **changes: Any) -> Operation:
        given = {"token": self.code(account), **changes}
        operation: Operation = account.procedure(f"{IDENTITY}.signPlcOperation", **given)["operation"]
        return operation

    def publish(self, did: str, operation: Operation) -> None:
        """Send an operation to the directory, past the server."""
        assert send(f"{self.plc.url}/{did}", operation)[0] == 200


def send(url: str, body: object = None, token: str = "") -> tuple[int, Any]:
    """Send a POST, with a body of JSON or with none at all, and return the status and the JSON that came, if any."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read()
    return status, json.loads(text) if text.startswith(b"{") else None


def ask(account: Account, nsid: str, body: object = None) -> tuple[int, str]:
    """Call a procedure, and return the status and the name of the error, if any."""
    status, answer = send(f"{account.server.url}/xrpc/{nsid}", body, account.access)
    return status, answer["error"] if status != 200 else ""


@pytest.fixture(scope="session")
def plc_smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="session")
def plc_front(plc: PlcDirectory) -> Iterator[TroubledDirectory]:
    with TroubledDirectory(plc.url) as directory:
        yield directory


@pytest.fixture(scope="session")
def tempest_host(
    plc: PlcDirectory, plc_front: TroubledDirectory, plc_smtp: SmtpServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    def mailed(account: Account) -> str:
        address = f"{account.handle}@mail.test"
        mails = plc_smtp.wait_until(lambda found: any(address in mail.recipients for mail in found))
        codes = [CODE.search(mail.text) for mail in mails if address in mail.recipients]
        assert codes[-1] is not None
        return codes[-1][0]

    settings = {
        **plc_smtp.settings(),
        "TEMPEST_PLC_ROTATION_KEY": ROTATION_KEY.raw.hex(),
        "TEMPEST_PLC_RECOVERY_KEY": OPERATOR_KEY,
        "TEMPEST_SSRF_PROTECTION": "false",  # the host of a did:web is on this machine
    }
    folder: Path = tmp_path_factory.mktemp("plc-operations") / "data"
    with Tempest(folder, plc_front.url, **settings) as server:
        yield Host(server, plc, mailed)


@pytest.fixture(scope="session")
def reference_host(reference: ReferencePds, plc: PlcDirectory) -> Host:
    def mailed(account: Account) -> str:
        """Read what the reference would have mailed, had it a mail server: it keeps its codes as they are."""
        database = sqlite3.connect(f"file:{reference.folder / 'account.sqlite'}?mode=ro", uri=True)
        try:
            row = database.execute(
                "SELECT token FROM email_token WHERE did = ? AND purpose = 'plc_operation'", (account.did,)
            ).fetchone()
        finally:
            database.close()
        token: str = row[0]
        return token

    return Host(reference, plc, mailed)
