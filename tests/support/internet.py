"""The rest of a small internet, as a process on a `LoneHost`: its name server, and an HTTPS server for all its hosts.

What it says stands in a JSON file, which is read again for each question, so that a test changes the world by writing
it:

    {"dns": {"NAME": {"TXT": ["\\"did=…\\""], "A": ["1.2.3.4"]}}, "silent": ["NAME"],
     "web": {"HOST": {"/PATH": {"status": 200, "body": "…", "base64": "…", "headers": {}, "hangs": false,
                                "breaks": false}}}}

Run as `internet.py WORLD CERTIFICATE KEY [ADDRESS]`.
"""

import asyncio
import json
import ssl
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import dns.message
from aiohttp import web
from tests.support.dns_server import DnsServer


class Names(DnsServer):
    """The name server."""

    def __init__(self, world: Path) -> None:
        super().__init__(53)
        self._world = world

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        world = json.loads(self._world.read_text())
        self.records = {(name, kind): texts for name, kinds in world["dns"].items() for kind, texts in kinds.items()}
        self.silent = set(world["silent"])
        return super()._answer(query)


async def serve(world: Path, certificate: str, key: str, address: str = "0.0.0.0") -> None:
    """Answer for every host, until the process is ended."""

    def find(host: str, path: str) -> dict[str, Any] | None:
        page: dict[str, Any] | None = json.loads(world.read_text())["web"].get(host, {}).get(path)
        return page

    async def answer(request: web.Request) -> web.StreamResponse:
        page = find(request.host, request.path)
        if page is None:
            raise web.HTTPNotFound
        if page.get("hangs"):
            await asyncio.Event().wait()
        if page.get("breaks") and request.transport is not None:
            request.transport.abort()
        text = page.get("body", "")
        content = {"body": b64decode(page["base64"])} if "base64" in page else {"text": text}
        return web.Response(status=page.get("status", 200), headers=page.get("headers"), **content)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    await web.TCPSite(runner, address, 443, ssl_context=context).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with Names(Path(sys.argv[1])):
        asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))
