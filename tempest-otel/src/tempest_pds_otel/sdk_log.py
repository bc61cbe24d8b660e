"""What OpenTelemetry's SDK has to say, passed on to the server's log now and then, and without secrets.

The SDK logs every batch that a collector did not take. A collector may be away for a weekend.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

QUIET_SECONDS: Final = 600.0
_SDK: Final = "opentelemetry"
_EXPORTER: Final = "opentelemetry.exporter"
_HTTP_CLIENT: Final = "urllib3.connectionpool"

_log: Final = logging.getLogger("tempest_pds_otel")


class SdkLog(logging.Handler):
    """Stand at the SDK's loggers, from `open` to `close`.

    All that exporters say counts as one thing said: that the collector does not take what is sent, and why.

    Args:
        secrets: taken out of every line.
        clock: in seconds.
    """

    def __init__(self, secrets: Iterable[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._clock = clock
        self._muted = False
        self._said: dict[object, float] = {}
        self._withheld: dict[object, int] = {}

    def open(self) -> None:
        """Take the SDK's lines from now on."""
        logger = logging.getLogger(_SDK)
        logger.addHandler(self)
        logger.propagate = False
        # Below this it tells of each request, with a URL that may hold a key.
        logging.getLogger(_HTTP_CLIENT).setLevel(logging.INFO)

    def close(self) -> None:
        """Let them pass again; may be called twice, and without `open`."""
        logger = logging.getLogger(_SDK)
        logger.removeHandler(self)
        # Another exporter's may still stand there.
        logger.propagate = not any(isinstance(handler, SdkLog) for handler in logger.handlers)
        super().close()

    def mute(self) -> None:
        """Keep the lines from the log from now on, for what is left of the process."""
        self._muted = True

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on, unless one like it was, lately."""
        if self._muted:
            return
        kind = _EXPORTER if record.name.startswith(_EXPORTER) else (record.name, record.msg)
        now = self._clock()
        if now - self._said.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            self._withheld[kind] = self._withheld.get(kind, 0) + 1
            return
        self._said[kind] = now
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text} ({record.exc_info[0].__name__})"
        withheld = self._withheld.pop(kind, 0)
        more = f"; {withheld} more lines like it in the last minutes" if withheld else ""
        _log.log(record.levelno, "telemetry: %s%s", self._without_secrets(text), more)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text
