"""Subscribers of the firehose in a process of their own: raw sockets, frames counted by their length fields alone."""

import multiprocessing
import os
import selectors
import socket
import struct
import time
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Self

MARK = b"latency-"
"""A post whose text starts so carries, after it, the nanoseconds of the monotonic clock at which it was sent."""


class Subscriber:
    """One raw WebSocket connection that counts what arrives."""

    def __init__(self, port: int, cursor: int | None, until: int = 0) -> None:
        query = "" if cursor is None else f"?cursor={cursor}"
        self.until = until
        self.seconds: float | None = None
        self._started = time.monotonic()
        self.frames = 0
        self.bytes = 0
        self.latencies: list[float] = []
        self._buffer = bytearray()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(
            f"GET /xrpc/com.atproto.sync.subscribeRepos{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(65536)
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head.decode())
        self._buffer = bytearray(rest)
        self.socket.setblocking(False)

    def receive(self) -> bool:
        """Take what has arrived; False when the server has closed the connection."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return True
        if not data:
            return False
        now = time.monotonic_ns()
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                if end - at < 4:
                    break
                (length,) = struct.unpack_from(">H", buffer, start)
                start += 2
            elif length == 127:
                if end - at < 10:
                    break
                (length,) = struct.unpack_from(">Q", buffer, start)
                start += 8
            if end - start < length:
                break
            opcode = buffer[at] & 0x0F
            if opcode == 9:
                self._pong(bytes(buffer[start : start + length]))
            elif opcode != 8:
                self.frames += 1
                self.bytes += length
                if self.frames == self.until:
                    self.seconds = time.monotonic() - self._started
                    return False
                mark = buffer.find(MARK, start, start + length)
                if mark >= 0:
                    sent = int(buffer[mark + len(MARK) : mark + len(MARK) + 18])
                    self.latencies.append((now - sent) / 1e6)
            at = start + length
        del buffer[:at]
        return True

    def _pong(self, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.socket.send(bytes([0x8A, 0x80 | len(payload)]) + mask + masked)


def _serve(port: int, count: int, cursor: int | None, until: int, pause: float, pipe: Pipe) -> None:
    subscribers = [Subscriber(port, cursor, until) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for subscriber in subscribers:
        selector.register(subscriber.socket, selectors.EVENT_READ, subscriber)
    selector.register(pipe, selectors.EVENT_READ, None)
    pipe.send("ready")
    closed = 0
    while True:
        time.sleep(pause)
        for key, _ in selector.select(1):
            if key.data is not None:
                if not key.data.receive():
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
                    closed += 1
                    if key.data.seconds is not None:
                        pipe.send(key.data.seconds)
                continue
            if pipe.recv() == "stop":
                return
            frames = [subscriber.frames for subscriber in subscribers]
            latencies = [value for subscriber in subscribers for value in subscriber.latencies]
            pipe.send((frames, sum(subscriber.bytes for subscriber in subscribers), latencies, closed))


class Subscribers:
    """*count* subscribers from *cursor* on (None: live only), used as a context manager.

    With *until*, a subscriber leaves after that many frames, and `wait` says when. A *pause* of some seconds between
    reads lets frames gather, so that a hundred subscribers cost the machine little; it spoils latencies.
    """

    def __init__(self, port: int, count: int, cursor: int | None = None, until: int = 0, pause: float = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(port, count, cursor, until, pause, theirs), daemon=True)
        self._process.start()
        if not self._pipe.poll(60):
            raise TimeoutError("the subscribers did not connect")
        self._pipe.recv()

    def wait(self, timeout: float = 60) -> float:
        """Return the seconds that one subscriber took to reach *until*."""
        if not self._pipe.poll(timeout):
            raise TimeoutError(f"only {self.counts()} frames came")
        seconds: float = self._pipe.recv()
        return seconds

    def counts(self) -> list[int]:
        """Return how many frames each subscriber has had."""
        return self._ask()[0]

    def bytes(self) -> int:
        """Return how many bytes of frames all of them have had."""
        return self._ask()[1]

    def latencies(self) -> list[float]:
        """Return the milliseconds from sending a marked post to seeing it, for every subscriber and post."""
        return self._ask()[2]

    def closed(self) -> int:
        """Return how many were cut off."""
        return self._ask()[3]

    def _ask(self) -> tuple[list[int], int, list[float], int]:
        self._pipe.send("report")
        answer: tuple[list[int], int, list[float], int] = self._pipe.recv()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.is_alive():
            self._pipe.send("stop")
            self._process.join(10)
