"""Who opens connections: a list of all, each with why it may. Whatever a stranger names is left to `SafeFetch`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tempest_pds

CORE: Final = Path(tempest_pds.__file__).parent

MODULES: Final = {
    "aiohttp", "aiosmtplib", "asyncssh", "boto3", "dns", "ftplib", "grpc", "h2", "http.client", "httpcore",
    "httpx", "imaplib", "poplib", "pycurl", "requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib",
    "urllib.request", "urllib3", "uvicorn", "websocket", "websockets", "xmlrpc",
}  # fmt: skip
CALLS: Final = {
    "create_connection", "create_datagram_endpoint", "create_unix_connection", "getaddrinfo", "gethostbyname",
    "getnameinfo", "open_connection", "open_unix_connection", "sock_connect", "urlopen",
}  # fmt: skip

STRANGERS: Final = "for servers of strangers, within SafeFetch"
OPERATOR: Final = "asks what the operator told it to examine"
OWN: Final = "asks this server, or one that it started, on the loopback interface"
SERVES: Final = "waits for connections, and makes none"
NAMES: Final = "tells errors by their classes"

WHY: Final = {
    "remote/safe_fetch.py": STRANGERS,
    "remote/guarded_sessions.py": STRANGERS,
    "remote/counted_response.py": STRANGERS,
    "remote/name_servers.py": "asks name servers for names of strangers: so many at once, each for a few seconds",
    "remote/causes.py": NAMES,
    "doctor/network.py": OPERATOR,
    "doctor/checks/tls.py": OPERATOR,
    "doctor/checks/websocket.py": OPERATOR,
    "cli/backup_drill.py": OWN,
    "cli/drill_checks.py": OWN,
    "cli/drill_server.py": OWN,
    "cli/health_command.py": OWN,
    "cli/running_server.py": OWN,
    "http/frame_protocol.py": SERVES,
    "http/guarded_http.py": SERVES,
    "http/lean_cycle.py": SERVES,
    "http/server.py": SERVES,
    "http/socket.py": SERVES,
}


# Every `SafeFetch` that is made, with what it lets through to private addresses.
CLIENTS: Final = {
    ("composition/network.py", "not settings.ssrf_protection"): "for strangers: what is passed on, and look-ups",
    ("composition/network.py", "True"): "for what the settings name: PLC directory, AppView and its like, relays",
    ("doctor/network.py", "True"): OPERATOR,
    ("migration/migration.py", "True"): "run by the owner of an account, between servers that he names",
}


def nodes(path: Path) -> Iterator[ast.AST]:
    """Walk a module, but for what only the type checker reads."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def reaches_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        named = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        named = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] in CALLS
    else:
        return False
    return any(f"{name}.".startswith(f"{module}.") for name in named for module in MODULES)


def test_connections_are_opened_by_safe_fetch_and_for_the_operator_alone() -> None:
    found = {
        str(path.relative_to(CORE)) for path in CORE.rglob("*.py") if any(reaches_out(node) for node in nodes(path))
    }
    assert found == set(WHY)


def test_private_addresses_are_open_only_to_what_the_operator_named() -> None:
    made = {
        (str(path.relative_to(CORE)), ast.unparse(keyword.value))
        for path in CORE.rglob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SafeFetch"
        for keyword in node.keywords
        if keyword.arg in (None, "allow_private")
    }
    assert made == set(CLIENTS)
