"""uvicorn's WebSocket protocol, with a way to write frames that are WebSocket frames already.

An event of the firehose is the same bytes for every subscriber. Through ASGI each would be a message to each
subscriber, framed a hundred times for a hundred of them. So this protocol offers an extension of the ASGI scope,
`tempest.frames`: a writer that puts ready-made frames on the connection as they are.
"""

from __future__ import annotations

from typing import Final, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION: Final = "tempest.frames"


class FrameWriter:
    """Writes ready-made WebSocket frames to one connection; each call is given whole frames."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: FrameProtocol) -> None:
        self._protocol = protocol

    @property
    def is_closed(self) -> bool:
        """Tell whether nothing can be written any more."""
        protocol = self._protocol
        return protocol.close_sent or protocol.transport.is_closing()

    def try_write(self, wire: bytes) -> bool:
        """Write at once, unless the client does not read what it was sent before."""
        if not self._protocol.writable.is_set() or self.is_closed:
            return False
        self._protocol.transport.write(wire)
        return True

    async def write(self, wire: bytes) -> None:
        """Write as soon as the client has read enough of what it was sent before; raise ClientDisconnected."""
        await self._protocol.writable.wait()
        if self.is_closed:
            raise ClientDisconnected
        self._protocol.transport.write(wire)


class FrameProtocol(WebSocketsSansIOProtocol):
    """The protocol class to give to uvicorn, with permessage-deflate switched off."""

    async def run_asgi(self) -> None:
        """Run the application for one connection."""
        if not self.config.ws_per_message_deflate:
            extensions = cast(dict[str, object], self.scope["extensions"])
            extensions[EXTENSION] = FrameWriter(self)
        await super().run_asgi()
