"""uvicorn's WebSocket protocol, whose connections end soon after their handler did.

A client that never reads again would keep its buffers here for ever: closing a connection waits until they are empty.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tempest_pds.http.frame_protocol import FrameProtocol

# After a subscription ended, a client gets this long to take what is still buffered for it.
LINGER_SECONDS: Final = 15.0


class GuardedWebSocket(FrameProtocol):
    """A WebSocket that is cut off in the end, whether or not the client reads."""

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Cut the connection after a while, if closing it did not."""
        super().on_task_complete(task)
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
