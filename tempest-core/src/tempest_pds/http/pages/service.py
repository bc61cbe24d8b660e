"""The small pages around the API: what this server is, whether it is well, and what robots and proxies ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog
from blacksheep import Content, Request, Response

from tempest_pds.http.answers import JSON
from tempest_pds.http.context import ServerInfo
from tempest_pds.http.errors import XrpcError, answer_to
from tempest_pds.http.pages.rendering import PUBLIC, Templates
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.responses import error_response
from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle

Page = Callable[[Request], Awaitable[Response]]

_TEXT: Final = b"text/plain; charset=utf-8"
_ROBOTS: Final = b"# Crawling the public API is allowed\nUser-agent: *\nAllow: /\n"

_log = structlog.get_logger()


class Directory(Protocol):
    """What these pages ask of the accounts."""

    def did_of_handle(self, handle: Handle) -> Did | None:
        """Give the account of a handle that is hosted here."""
        ...

    def hosted_did_document(self, did: Did) -> Mapping[str, LexValue] | None:
        """Give the document of a did:web account that is hosted here; None for any other."""
        ...

    def check(self) -> None:
        """Raise when the database does not answer."""
        ...


class ServicePages:
    """Landing page, health, robots, TLS check, and the well-known documents."""

    def __init__(self, server: ServerInfo, directory: Directory, templates: Templates) -> None:
        self._server = server
        self._directory = directory
        self._templates = templates
        self._service_document = lex_json.dumps(_service_document(server))

    def routes(self) -> Mapping[str, Page]:
        """Give the handlers by path."""
        return {
            "/": self.landing,
            "/robots.txt": self.robots,
            "/tls-check": self.tls_check,
            "/xrpc/_health": self.health,
            "/.well-known/atproto-did": self.atproto_did,
            "/.well-known/did.json": self.did_document,
        }

    async def landing(self, request: Request) -> Response:
        """Tell a person, who opens the server or the host name of a handle in a browser, what this is."""
        return self._templates.page("landing.html", PUBLIC, server=self._server)

    async def robots(self, request: Request) -> Response:
        """Let crawlers in."""
        return Response(200, [], Content(_TEXT, _ROBOTS))

    async def health(self, request: Request) -> Response:
        """Tell the version; 503 when the database does not answer. Nothing else: the page is public."""
        body: dict[str, LexValue] = {"version": self._server.version}
        status = 200
        try:
            self._directory.check()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is the same
            _log.error("health check failed", exc_info=error)
            body["error"] = "Service Unavailable"
            status = 503
        return Response(status, [(b"cache-control", b"no-store")], Content(JSON, lex_json.dumps(body)))

    async def atproto_did(self, request: Request) -> Response:
        """Give the DID of the handle that the Host header names: https://atproto.com/specs/handle#handle-resolution."""
        did = self._hosted_did(_host(request))
        if did is None:
            return Response(404, [], Content(_TEXT, b"User not found"))
        return Response(200, [], Content(_TEXT, did.encode()))

    async def did_document(self, request: Request) -> Response:
        """Give the did:web document of the host: the server's own, or that of an account hosted here."""
        host = _host(request)
        if host == self._server.hostname and self._server.did.startswith("did:web:"):
            return Response(200, [], Content(JSON, self._service_document))
        document = self._hosted_document(host)
        if document is None:
            return Response(404, [], Content(_TEXT, b"Not Found"))
        return Response(200, [], Content(JSON, lex_json.dumps(dict(document))))

    async def tls_check(self, request: Request) -> Response:
        """Tell a proxy with on-demand TLS whether a domain is one of ours."""
        try:
            domain = dict(parse_query_string(request.scope["query_string"])).get("domain", "").lower()
            if not domain:
                raise XrpcError(400, "InvalidRequest", "bad or missing domain query param")
            if domain != self._server.hostname:
                if not domain.endswith(self._server.handle_domains):
                    raise XrpcError(400, "InvalidRequest", "handles are not provided on this domain")
                # A did:web keeps its host when its account is given another handle, or is deactivated.
                if self._hosted_did(domain) is None and self._hosted_document(domain) is None:
                    raise XrpcError(404, "NotFound", "handle not found for this domain")
        except XrpcError as error:
            return error_response(answer_to(error), [])
        return Response(200, [], Content(JSON, b'{"success":true}'))

    def _hosted_did(self, host: str) -> Did | None:
        domains = self._server.handle_domains
        if not (host.endswith(domains) or f".{host}" in domains):
            return None
        try:
            return self._directory.did_of_handle(Handle.parse(host))
        except InvalidSyntax:
            return None

    def _hosted_document(self, host: str) -> Mapping[str, LexValue] | None:
        did = f"did:web:{host}"
        return self._directory.hosted_did_document(Did.parse(did)) if Did.is_valid(did) else None


def _host(request: Request) -> str:
    for name, value in request.scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            return (host.rpartition(":")[0] if _ends_in_port(host) else host).removesuffix(".")
    return ""


def _ends_in_port(host: str) -> bool:
    _, colon, port = host.rpartition(":")
    return bool(colon) and port.isdecimal()


def _service_document(server: ServerInfo) -> dict[str, LexValue]:
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": server.did,
        "service": [
            {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": server.public_url},
        ],
    }
