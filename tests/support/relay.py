"""A relay that is asked to crawl: it looks for the server under the name that it is given, as relays do.

`python relay.py PORT FILE` writes the names that it found a server under to FILE, one a line.
"""

import http.server
import json
import sys
import urllib.request
from pathlib import Path


def make_relay(port: int, found: Path) -> http.server.ThreadingHTTPServer:
    class Relay(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/xrpc/com.atproto.sync.requestCrawl":
                self._answer(501, {"error": "MethodNotImplemented"})
                return
            hostname = json.loads(body)["hostname"]
            try:
                with urllib.request.urlopen(f"https://{hostname}/xrpc/com.atproto.server.describeServer", timeout=10):
                    pass
            except OSError as error:
                self._answer(400, {"error": "InvalidRequest", "message": f"host unreachable: {error}"})
                return
            with found.open("a") as names:
                names.write(f"{self.headers['Host']} {hostname}\n")
            self._answer(200, {})

        def do_GET(self) -> None:
            self._answer(200, {})

        def _answer(self, status: int, body: dict[str, str]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Relay)


if __name__ == "__main__":
    make_relay(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
