"""What a PDS speaks to and no test can run: a relay that tells the status of a host, and an AppView that is well."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class UpstreamStub:
    """Answer getHostStatus by `hosts`, take requestCrawl, and be healthy; everything else is not found."""

    def __init__(self) -> None:
        self.hosts: dict[str, dict[str, Any]] = {}
        self.crawls: list[str] = []
        self.refuses_crawls = False
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/xrpc/_health":
                    self._send(200, {"version": "stub"})
                elif parts.path == "/xrpc/com.atproto.sync.getHostStatus":
                    hostname = parse_qs(parts.query)["hostname"][0]
                    known = stub.hosts.get(hostname)
                    missing = {"error": "HostNotFound", "message": "host not found"}
                    self._send(404 if known is None else 200, known or missing)
                else:
                    self._send(404, {"error": "NotFound", "message": "not found"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if stub.refuses_crawls:
                    self._send(400, {"error": "InvalidRequest", "message": "host server unreachable"})
                    return
                stub.crawls.append(body["hostname"])
                self._send(200, {})

            def _send(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
