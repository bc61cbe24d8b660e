"""An account on its way around: from the reference server to Tempest, to another Tempest, and to the reference again.

`make_trip` goes the whole way with `tempest migrate` and writes to the account at each stop. What was seen on the way
is what the tests look at.
"""

import re
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.account import Account, post, sign_up
from tests.support.account_view import AccountView, look
from tests.support.backups import upload
from tests.support.consumer import Consumer
from tests.support.frames import Frame, Subscription
from tests.support.node import Node
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.rich_account import furnish, png
from tests.support.server import Tempest
from tests.support.smtp_server import SmtpServer

SERVER, REPO, SYNC = "com.atproto.server", "com.atproto.repo", "com.atproto.sync"
_CODE: Final = re.compile(r"\b[A-Z0-9]{5}-[A-Z0-9]{5}\b")
_LATER: Final = 75


@dataclass
class Stop:
    """The account at one server.

    Attributes:
        arrival: what was there of it once it had moved in; None where it was born.
        departure: after it had been written to here.
        written: paths of the records that were created, updated and deleted here.
        verified: what the official consumer of the firehose made of the writes here.
        signing_key: of the DID while the account lived here.
        growth_mib: what moving in took of the server's memory, above what it had before.
    """

    account: Account
    arrival: AccountView | None = None
    departure: AccountView | None = None
    written: dict[str, str] = field(default_factory=dict)
    verified: list[dict[str, Any]] = field(default_factory=list)
    signing_key: str = ""
    growth_mib: float = 0.0

    @property
    def server(self) -> ServerProcess:
        return self.account.server


@dataclass
class Trip:
    """The whole way; the last stop is where the account lives now."""

    stops: list[Stop]
    plc: PlcDirectory

    @property
    def did(self) -> str:
        return self.stops[0].account.did

    def frames(self, stop: Stop) -> list[Frame]:
        """Return the events of the account on a server's firehose, from its beginning."""
        return [frame for frame in _history(stop.server) if _owner(frame) == self.did]


def _history(server: ServerProcess) -> list[Frame]:
    """Return all events of a server up to now."""
    newest = sign_up(server, "now").did
    frames: list[Frame] = []
    with Subscription(server, cursor=0) as subscription:
        while not frames or _owner(frames[-1]) != newest:
            frames += subscription.take(1)
    return frames


def _owner(frame: Frame) -> str:
    did: str = frame.body.get("did") or frame.body["repo"]
    return did


def make_trip(
    stack: ExitStack,
    folder: Path,
    node: Node,
    plc: PlcDirectory,
    home: ServerProcess,
    furnish: Callable[[Account], None] = furnish,
) -> Trip:
    """Go the whole way.

    Args:
        home: the reference server that the account comes to in the end.
        furnish: gives the account what it takes along.
    """
    mails = stack.enter_context(SmtpServer())
    mailing = {
        "PDS_EMAIL_SMTP_URL": f"smtp://localhost:{mails.port}",
        "PDS_EMAIL_FROM_ADDRESS": "pds@example.com",
        "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX": "22" * 32,
        "PDS_SERVICE_DID": "did:web:first.example.com",
    }
    first = ReferencePds(node, folder / "first", plc.url, **mailing)
    second = Tempest(folder / "second", plc.url, TEMPEST_SERVICE_DID="did:web:second.example.com", **mails.settings())
    third = Tempest(folder / "third", plc.url, TEMPEST_SERVICE_DID="did:web:third.example.com", **mails.settings())
    with ThreadPoolExecutor() as starting:
        list(starting.map(stack.enter_context, (first, second, third)))
    account = sign_up(first, "trip")
    furnish(account)
    stops = [Stop(account)]
    _stay(stops[0], node, plc, 0)
    onward: list[ServerProcess] = [second, third, home]
    for number, server in enumerate(onward):
        # Where others live too, what they did is not this consumer's to verify.
        seen = _history(server)[-1].seq
        at_rest = server.memory_mib()
        server.reset_peak_memory()
        moved = _move(stops[-1].account, server, plc, mails, folder / f"move-{number}")
        growth = server.memory_mib("VmHWM") - at_rest
        stops.append(Stop(moved, arrival=look(moved, plc.url), growth_mib=growth))
        _stay(stops[-1], node, plc, seen)
    return Trip(stops, plc)


def _stay(stop: Stop, node: Node, plc: PlcDirectory, seen: int) -> None:
    """Write to the account: create, update and delete; and have all that the server tells since `seen` verified."""
    account = stop.account
    name = f"at {account.server.name}, port {account.server.port}"
    image = upload(account, png(account.server.port))
    picture = {**post(name), "embed": {"$type": "app.bsky.embed.images", "images": [{"alt": name, "image": image}]}}
    made = account.procedure(f"{REPO}.createRecord", repo=account.did, collection=picture["$type"], record=picture)
    stop.written["create"] = made["uri"].removeprefix(f"at://{account.did}/")
    # As an app does it: what it read goes back, with a change, and with the avatar in it.
    where = {"repo": account.did, "collection": "app.bsky.actor.profile", "rkey": "self"}
    profile = account.query(f"{REPO}.getRecord", **where)["value"]
    account.procedure(f"{REPO}.putRecord", **where, record={**profile, "description": name})
    stop.written["update"] = "app.bsky.actor.profile/self"
    like = account.query(f"{REPO}.listRecords", repo=account.did, collection="app.bsky.feed.like", limit=1)["records"][
        0
    ]
    rkey = like["uri"].rpartition("/")[2]
    account.procedure(f"{REPO}.deleteRecord", repo=account.did, collection="app.bsky.feed.like", rkey=rkey)
    stop.written["delete"] = f"app.bsky.feed.like/{rkey}"
    stop.departure = look(account, plc.url)
    _, data = json_request(f"{plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    stop.signing_key = data["verificationMethods"]["atproto"]
    url = account.server.url
    with Consumer(node, url, plc.url, cursor=seen, is_own=lambda did: did == account.did) as consumer:
        stop.verified = consumer.until(lambda events: any(_is_last(stop, event) for event in events))


def _is_last(stop: Stop, event: dict[str, Any]) -> bool:
    return (event["event"], event.get("path")) == ("delete", stop.written["delete"])


def _move(old: Account, server: ServerProcess, plc: PlcDirectory, mails: SmtpServer, state: Path) -> Account:
    """Move by the command, with the code that the old server mails."""
    environ = {**Tempest(state).env}
    for side in ("SOURCE", "TARGET"):
        environ[f"TEMPEST_MIGRATE_{side}_PASSWORD"] = old.password
    command = [sys.executable, "-m", "tempest_pds.cli.main", "migrate", old.did, server.url, "--plc-url", plc.url]
    command += ["--state", str(state), "--yes", "--deep", "--retry", "2"]

    def run(*more: str, code: int) -> str:
        done = subprocess.run([*command, *more], env=environ, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == code, f"{done.returncode} from {old.server.url}: {done.stdout}\n{done.stderr}"
        return done.stdout

    before = len(mails.received())
    run(code=_LATER)
    [mail] = mails.wait_until(lambda received: len(received) > before)[before:]
    found = _CODE.search(mail.text)
    assert found is not None, mail.text
    run("--plc-token", found[0], code=0)
    login = {"identifier": old.did, "password": old.password}
    status, session = json_request(f"{server.url}/xrpc/{SERVER}.createSession", login)
    assert status == 200, session
    assert isinstance(session, dict)
    return Account(server, old.did, session["handle"], old.password, session["accessJwt"], session["refreshJwt"])


def ask(server: ServerProcess, nsid: str, **params: str) -> tuple[int, Any]:
    """Ask as a stranger, and return the status and the answer."""
    return json_request(f"{server.url}/xrpc/{nsid}?{urllib.parse.urlencode(params)}")
