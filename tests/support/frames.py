"""The firehose as frames: a plain WebSocket reader, without the help of any client of the protocol."""

import io
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cbor2
from tests.support.account import Account
from tests.support.process import ServerProcess
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


@dataclass(frozen=True)
class Frame:
    """One frame. `kind` is `#commit`, `#info` and so on, or `error`."""

    kind: str
    body: dict[str, Any]
    size: int

    @property
    def seq(self) -> int:
        seq: int = self.body["seq"]
        return seq


def parse_frame(data: bytes) -> Frame:
    """Split a frame into its header and its body. Links come as `CBORTag(42, …)`."""
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(stream, read_size=1)
    header = decoder.decode()
    body = decoder.decode()
    assert stream.read() == b"", "bytes after the body"
    assert header["op"] in (1, -1)
    return Frame(header["t"] if header["op"] == 1 else "error", body, len(data))


class Subscription:
    """A connection to subscribeRepos, which raises TimeoutError when nothing comes."""

    def __init__(self, server: ServerProcess, cursor: int | None = None) -> None:
        query = "" if cursor is None else f"?cursor={cursor}"
        url = f"ws://127.0.0.1:{server.port}/xrpc/com.atproto.sync.subscribeRepos{query}"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(
            connect(url, compression=None, max_size=None, proxy=None, close_timeout=1)
        )
        self.close_code: int | None = None
        self.close_reason = ""

    def next(self, timeout: float = 10) -> Frame | None:
        """Return the next frame, or None when the server has closed the connection."""
        try:
            data = self._socket.recv(timeout)
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else None
            self.close_reason = closed.rcvd.reason if closed.rcvd else ""
            return None
        assert isinstance(data, bytes), "frames are binary"
        return parse_frame(data)

    def take(self, count: int, timeout: float = 10) -> list[Frame]:
        """Return the next *count* frames; the connection must stay open for them."""
        frames: list[Frame] = []
        for _ in range(count):
            frame = self.next(timeout)
            assert frame is not None, f"closed after {len(frames)} frames: {self.close_code} {self.close_reason}"
            frames.append(frame)
        return frames

    def before(self, marker: Account) -> list[Frame]:
        """Have *marker* write a post now, and return what comes before it: a proof that nothing else does."""
        rev = marker.post("a mark")["commit"]["rev"]
        frames: list[Frame] = []
        while (frame := self.take(1)[0]).body.get("rev") != rev:
            frames.append(frame)
        return frames

    def quiet(self, timeout: float = 0.3) -> bool:
        """Tell whether nothing comes for a moment."""
        try:
            return self.next(timeout) is None
        except TimeoutError:
            return True

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
