"""Structured logs: one JSON object (or one readable line) per event, on standard error, with secrets taken out.

Everything goes through one writer: structlog's events, what libraries log through the standard library, and the request
lines. Request lines are formatted by hand, as a server that answers in 200 µs cannot spend 30 of them on a log line;
they are collected for a moment and written together.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

LogFormat = Literal["json", "console"]
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_REDACTED: Final = "[redacted]"
_PRIVATE_KEYS: Final = re.compile(
    r"pass(word|wd)?$|token|secret|authorization|cookie|jwt|dpop|credential|api_?key|private_?key|otp$", re.IGNORECASE
)
# A JWT, an Authorization value, or a private query parameter inside a longer text such as a URL or an error message.
_PRIVATE_TEXT: Final = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?<=bearer )\S+|(?<=basic )\S+|(?<=dpop )\S+"
    r"|(?<=token=)[^&\s\"']+|(?<=password=)[^&\s\"']+|(?<=secret=)[^&\s\"']+|(?<=code=)[^&\s\"']+",
    re.IGNORECASE,
)
# What names in addresses look like. What chance has made has digits or stray capitals in it, or goes on and on.
_WORD: Final = r"(?![A-Za-z]{21})(?:[A-Z]+|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*)"
_NAME: Final = re.compile(rf"\.?{_WORD}(?:[._-]{_WORD})*|v\d")
# App passwords, invite codes, codes in mails: those that chance gave no digit.
_CODE: Final = re.compile(r"(?:.*-)?[a-z]{4,5}(?:-[a-z]{4,5})+", re.IGNORECASE)
_FLUSH_LINES: Final = 200
_NOISY: Final = {
    "blacksheep.server": logging.CRITICAL,  # logs every handled error with its full URL
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.ERROR,  # at INFO it logs the query of every WebSocket, at WARNING every bad request
    "asyncio": logging.WARNING,
    "aiohttp.access": logging.CRITICAL,
    "alembic": logging.WARNING,
    "websockets": logging.WARNING,
    "stevedore": logging.ERROR,
    "botocore": logging.WARNING,  # at DEBUG it logs every request with its signature
    "urllib3": logging.ERROR,  # at WARNING it logs the URL of every request that is repeated
}


class LogWriter:
    """Where every line ends up; thread-safe, and it never lets a broken stream stop a request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # Appending to a deque and popping from it are atomic, so lines are kept without a lock.
        self._pending: deque[str] = deque()
        self._writing = threading.Lock()

    def add(self, line: str) -> bool:
        """Keep a line for the next flush; tell whether it is the first one kept, so that a flush must be arranged."""
        pending = self._pending
        pending.append(line)
        if len(pending) > _FLUSH_LINES:
            self.flush()
        return len(pending) == 1

    def write(self, line: str) -> None:
        """Write a line now, after those that were kept."""
        self._pending.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what was kept."""
        with self._writing:
            pending = self._pending
            lines = [pending.popleft() for _ in range(len(pending))]
            if not lines:
                return
            lines.append("")
            try:
                self._stream.write("\n".join(lines))
                self._stream.flush()
            except (OSError, ValueError):
                # A log that cannot be written must not take the server down with it.
                return


class RequestLog:
    """One line for each request, at the cost of a few microseconds."""

    def __init__(self, writer: LogWriter, format: LogFormat) -> None:  # noqa: A002 - the word of the setting
        self._writer = writer
        self._json = format == "json"
        self._second = 0
        self._second_text = ""

    def add(self, method: str, target: str, status: int, seconds: float, client_ip: str, did: str | None) -> bool:
        """Keep the line of one answered request; tell whether a flush must be arranged.

        Args:
            method: the HTTP method.
            target: the NSID, or a path without its query.
            status: of the answer; 0 when the client went away before one.
            seconds: how long the answer took.
            client_ip: as the proxies in front tell it.
            did: who asked, when that is known.
        """
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        stamp = f"{self._second_text}.{int((now - second) * 1000):03d}Z"
        milliseconds = seconds * 1000
        if self._json:
            if not target.isascii() or '"' in target or "\\" in target or not target.isprintable():
                target = json.dumps(target)[1:-1]
            who = f',"did":"{did}"' if did is not None else ""
            line = (
                f'{{"timestamp":"{stamp}","level":"info","event":"request","method":"{method}","target":"{target}",'
                f'"status":{status},"ms":{milliseconds:.2f},"ip":"{client_ip}"{who}}}'
            )
        else:
            who = f" {did}" if did is not None else ""
            if not target.isprintable():
                target = repr(target)
            line = f"{stamp} {status} {method} {target} {milliseconds:.1f} ms {client_ip}{who}"
        return self._writer.add(line)

    def flush(self) -> None:
        """Write what was kept."""
        self._writer.flush()


def redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take tokens, passwords and cookies out of an event: by key, and out of every text."""
    for key, value in event.items():
        if key != "event" and _PRIVATE_KEYS.search(key):
            event[key] = _REDACTED
        else:
            event[key] = _redact_value(value)
    return event


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {
            key: _REDACTED if isinstance(key, str) and _PRIVATE_KEYS.search(key) else _redact_value(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_redact_value(item) for item in value]
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return redact_text(str(value))


def redact_text(text: str) -> str:
    """Take what looks like a token or a password out of a text."""
    return _PRIVATE_TEXT.sub(_REDACTED, text)


def redact_path(path: str) -> str:
    """Keep of a path that leads nowhere what are plain names: into the rest somebody may have pasted anything."""
    return "/".join(part if not part or _is_name(part) else _REDACTED for part in path.split("/"))


def _is_name(part: str) -> bool:
    return _NAME.fullmatch(part) is not None and _CODE.fullmatch(part) is None


class _WriterLogger:
    """What structlog calls with each finished line."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def msg(self, message: str) -> None:
        self._writer.write(message)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _StandardLibraryHandler(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            logger = structlog.get_logger()
            name = record.levelname.lower()
            log: Callable[..., Any] = getattr(logger, name if name in LEVELS else "error")
            log(record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001 - logging must never raise into the code that logs
            self.handleError(record)


def configure_logs(level: str, format: LogFormat, stream: TextIO | None = None) -> LogWriter:  # noqa: A002 - as above
    """Set up all logging of the process; give the writer that request lines share.

    Args:
        level: one of `LEVELS`.
        format: `json` for machines, `console` for a person.
        stream: standard error unless a test says otherwise.
    """
    writer = LogWriter(stream if stream is not None else sys.stderr)
    final: Any
    if format == "json":
        final = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        final = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            final,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _WriterLogger(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_StandardLibraryHandler()]
    root.setLevel(LEVELS[level])
    for name, least in _NOISY.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(least, LEVELS[level]))
    logging.captureWarnings(True)
    return writer
