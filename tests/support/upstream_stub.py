"""What a PDS speaks to and no test can run: a relay that tells the status of a host, and an AppView that is well."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.stub_server import Request, StubServer


class UpstreamStub(StubServer):
    """Answer getHostStatus by `hosts`, take requestCrawl, and be healthy; everything else is not found."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: dict[str, dict[str, Any]] = {}
        self.crawls: list[str] = []
        self.refuses_crawls = False

    def answer(self, request: Request) -> None:
        parts = urlsplit(request.path)
        if request.command == "POST":
            self._be_asked_to_crawl(request)
        elif parts.path == "/xrpc/_health":
            request.send_json(200, {"version": "stub"})
        elif parts.path == "/xrpc/com.atproto.sync.getHostStatus":
            known = self.hosts.get(parse_qs(parts.query)["hostname"][0])
            missing = {"error": "HostNotFound", "message": "host not found"}
            request.send_json(404 if known is None else 200, known or missing)
        else:
            request.send_json(404, {"error": "NotFound", "message": "not found"})

    def _be_asked_to_crawl(self, request: Request) -> None:
        if self.refuses_crawls:
            request.send_json(400, {"error": "InvalidRequest", "message": "host server unreachable"})
            return
        self.crawls.append(json.loads(request.content)["hostname"])
        request.send_json(200, {})
