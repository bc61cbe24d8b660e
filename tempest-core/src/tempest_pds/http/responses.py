"""From the answer of a method to BlackSheep's response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from blacksheep import Content, Response, StreamedContent

from tempest_pds.http.answers import JSON, Answer, Body, Stream
from tempest_pds.http.errors import ErrorAnswer
from tempest_pds.http.exchange import Exchange
from tempest_pds.http.presence import Presence
from tempest_pds.protocol.data_model import lex_json

Header = tuple[bytes, bytes]
_YIELD_EVERY = 16


def to_response(answer: Answer, exchange: Exchange, headers: list[Header]) -> Response:
    """Shape a method's answer; `headers` become part of it."""
    if type(answer) is dict:
        return Response(200, headers, Content(JSON, lex_json.dumps(answer)))
    if type(answer) is Body:
        headers.extend(answer.headers)
        return Response(answer.status, headers, Content(answer.content_type, answer.data))
    if answer is None:
        return Response(200, headers)
    if isinstance(answer, Stream):
        headers.extend(answer.headers)
        return Response(answer.status, headers, _stream_content(answer, exchange))
    raise TypeError(f"a method answered with {type(answer).__name__}")


def error_response(answer: ErrorAnswer, headers: list[Header]) -> Response:
    """Shape a refusal; `headers` become part of it."""
    headers.extend(answer.headers)
    return Response(answer.status, headers, Content(JSON, answer.body()))


def _stream_content(stream: Stream, exchange: Exchange) -> StreamedContent:
    head_only = exchange.scope["method"] == "HEAD"

    async def send() -> AsyncIterator[bytes]:
        # uvicorn would swallow everything that is sent after the client went away.
        presence = Presence(exchange)
        try:
            if not head_only:
                presence.watch()
                sent = 0
                chunks = aiter(stream.chunks)
                while (chunk := await presence.wait(anext(chunks, None))) is not None:
                    if chunk:
                        # BlackSheep takes bytes only, and reads an empty chunk as the end.
                        yield chunk if type(chunk) is bytes else bytes(chunk)
                        sent += 1
                        if not sent % _YIELD_EVERY:
                            # Sources that never wait must not keep the loop to themselves.
                            await asyncio.sleep(0)
        finally:
            presence.close()
            close = getattr(stream.chunks, "aclose", None)
            if close is not None:
                await close()

    return StreamedContent(stream.content_type, send, -1 if stream.length is None else stream.length)
