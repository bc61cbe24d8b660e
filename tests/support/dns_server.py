"""A name server on the loopback interface that knows a handful of names, and answers NXDOMAIN for all others."""

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class DnsServer:
    """Answer by `records`: the type and the texts of a name, which may be a wildcard; tests may change them.

    Args:
        port: to listen at; 0 takes one that is free.
    """

    def __init__(self, port: int = 0) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.silent: set[str] = set()
        """Names that it never answers for."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """Its address and port."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        answer = dns.message.make_response(query)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if name in self.silent:
            return None
        kind = dns.rdatatype.to_text(question.rdtype)
        known = [key for key in (name, "*." + name.partition(".")[2]) if any(key == held for held, _ in self.records)]
        if not known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif texts := self.records.get((known[0], kind)):
            answer.answer.append(dns.rrset.from_text_list(question.name, 1, dns.rdataclass.IN, kind, texts))
        return answer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()
