"""A writer that keeps count: after a crash it can say what the server must still hold."""

import http.client
import json
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.support.account import Account

COLLECTION = "com.example.kept"
Contents = dict[str, str | None]
"""The CID of each record by its rkey; None for one whose CID the writer has not been told."""


@dataclass
class SteadyWriter:
    """Creates, changes and deletes records of one account until its server dies or it is told to stop.

    `contents` is what was acknowledged. `in_flight` is what would be there after the one request whose answer
    never came: the server carried it out whole, or not at all.
    """

    account: Account
    seed: int
    contents: Contents = field(default_factory=dict)
    revs: list[str] = field(default_factory=list)
    in_flight: Contents | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._number = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._write_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(30)

    def _write_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.account.server.port, timeout=20)
        headers = {"Authorization": f"Bearer {self.account.access}", "Content-Type": "application/json"}
        try:
            while not self._stop.is_set():
                nsid, body, after = self._next_request()
                self.in_flight = after
                connection.request("POST", f"/xrpc/{nsid}", json.dumps(body), headers)
                answer = connection.getresponse()
                raw = answer.read()
                if answer.status == 503:  # it is about to end
                    return
                if answer.status != 200:
                    self.failure = f"{nsid}: {answer.status} {raw[:200]!r}"
                    return
                self._acknowledge(after, json.loads(raw))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def _acknowledge(self, after: Contents, answer: dict[str, Any]) -> None:
        results = answer.get("results") or [answer]
        cids = {result["uri"].rpartition("/")[2]: result["cid"] for result in results if "uri" in result}
        self.contents = {rkey: cids.get(rkey, cid) for rkey, cid in after.items()}
        self.in_flight = None
        self.revs.append(answer["commit"]["rev"])

    def _record(self) -> dict[str, Any]:
        self._number += 1
        return {"$type": COLLECTION, "number": self._number, "text": "k" * self._random.randrange(10, 600)}

    def _next_request(self) -> tuple[str, dict[str, Any], Contents]:
        """Return a method, its input, and what the repository holds once it is carried out."""
        repo = {"repo": self.account.did}
        rkey = f"r{self._number:06}"
        kept = list(self.contents)
        dice = self._random.random()
        if dice < 0.15 and kept:
            victim = self._random.choice(kept)
            after = {key: cid for key, cid in self.contents.items() if key != victim}
            return "com.atproto.repo.deleteRecord", {**repo, "collection": COLLECTION, "rkey": victim}, after
        if dice < 0.3 and kept:
            chosen = self._random.choice(kept)
            body = {**repo, "collection": COLLECTION, "rkey": chosen, "record": self._record()}
            return "com.atproto.repo.putRecord", body, {**self.contents, chosen: None}
        if dice < 0.45:
            keys = [f"{rkey}-{at}" for at in range(5)]
            create = {"$type": "com.atproto.repo.applyWrites#create", "collection": COLLECTION}
            writes = [{**create, "rkey": key, "value": self._record()} for key in keys]
            return "com.atproto.repo.applyWrites", {**repo, "writes": writes}, {**self.contents, **dict.fromkeys(keys)}
        body = {**repo, "collection": COLLECTION, "rkey": rkey, "record": self._record()}
        return "com.atproto.repo.createRecord", body, {**self.contents, rkey: None}
