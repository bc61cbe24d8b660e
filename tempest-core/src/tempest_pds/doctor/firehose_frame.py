"""A frame of a firehose, as far as the doctor reads it: its kind, and the number of its event.

Only sizes and order matter here, so the body is not held to its lexicon: `services/event_frames.py` writes them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cbor2

from tempest_pds.protocol.errors import TempestError


class FrameError(TempestError):
    """What came is no frame of an event stream."""


@dataclass(frozen=True, slots=True)
class FirehoseFrame:
    """One frame.

    Attributes:
        kind: `#commit`, `#info` and so on; for an error its name, such as `FutureCursor`.
        seq: None for frames that are no events.
    """

    kind: str
    is_error: bool
    seq: int | None


def read_frame(data: bytes | str) -> FirehoseFrame:
    """Read a frame: two DAG-CBOR maps, one after the other; raise FrameError."""
    if isinstance(data, str):
        raise FrameError("text in place of bytes")
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(stream, read_size=1)
    try:
        header, body = decoder.decode(), decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise FrameError("not two CBOR values") from error
    if not isinstance(header, dict) or not isinstance(body, dict):
        raise FrameError("not two maps")
    if header.get("op") == -1:
        return FirehoseFrame(str(body.get("error")), is_error=True, seq=None)
    seq = body.get("seq")
    return FirehoseFrame(str(header.get("t")), is_error=False, seq=seq if isinstance(seq, int) else None)
