"""What the door lets through and for how long it waits; and the same for hypercorn."""

import sys
from dataclasses import dataclass
from typing import Any

import structlog
from hypercorn.config import Config
from hypercorn.logging import Logger

from phaseline.errors import shown

__all__ = ["Limits", "hypercorn_config"]

_log = structlog.get_logger("phaseline_server.door.hypercorn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of one door. Sizes in bytes, times in seconds."""

    connections: int = 10_000
    """Open at once, over all listeners; one more is answered 503."""
    connections_per_address: int = 256
    """The same from one address of another machine; one more is answered 429."""
    message: int = 65_536
    """One WebSocket message, all its fragments together."""
    fragments: int = 64
    """Of one WebSocket message."""
    queue: int = 1_000
    """Messages of the stream that wait for a WebSocket whose client does not take them."""
    queue_bytes: int = 8_388_608
    """The same in bytes, before one more message."""
    head: int = 16_384
    """A request's line and headers."""
    head_seconds: float = 5
    """From a connection's or request's first byte (or from the accept) to the end of its headers."""
    idle_seconds: float = 65
    """Between two requests. Longer than the usual minute, lest a client that polls by the minute meet the close."""
    write_seconds: float = 10
    """Without 64 KiB taken by the client, after which it counts as gone."""
    pong_seconds: float = 20
    """A WebSocket is sent a ping so often, and its client is to be heard of before the next one."""
    linger_seconds: float = 2
    """After our last byte: to read away what the client still sends, lest a reset destroy our answer."""


def hypercorn_config(limits: Limits) -> Config:
    """Return hypercorn's settings: HTTP/1.1 for as many requests as a client likes, no access log, no banner."""
    config = Config()
    config.logger_class = _HypercornLogger
    config.include_server_header = False
    config.h11_max_incomplete_size = limits.head
    config.websocket_max_message_size = limits.message
    # It closed connections after 1,000 requests: a client that polls would be hit at random.
    config.keep_alive_max_requests = sys.maxsize
    return config


class _HypercornLogger(Logger):
    """What hypercorn has to say, said through structlog. No request is logged here."""

    def __init__(self, config: Config) -> None:
        """Take nothing from `config`: the levels and the format are structlog's."""

    async def access(self, *args: Any) -> None:
        """Leave requests alone."""

    async def critical(self, message: str, *args: Any, **_: Any) -> None:
        """Log at this level."""
        _log.critical(_line(message, args))

    async def error(self, message: str, *args: Any, **_: Any) -> None:
        """Log at this level."""
        _log.error(_line(message, args))

    async def warning(self, message: str, *args: Any, **_: Any) -> None:
        """Log at this level."""
        _log.warning(_line(message, args))

    async def info(self, message: str, *args: Any, **_: Any) -> None:
        """Log at this level."""
        _log.info(_line(message, args))

    async def debug(self, message: str, *args: Any, **_: Any) -> None:
        """Log at this level."""
        _log.debug(_line(message, args))

    async def exception(self, message: str, *args: Any, **_: Any) -> None:
        """Log the exception at hand: the app raised it, which is our mistake, so the traceback is wanted."""
        error = sys.exception()
        _log.exception(_line(message, args), error=shown(str(error)))

    async def log(self, level: int, message: str, *args: Any, **_: Any) -> None:
        """Log at `level`."""
        _log.log(level, _line(message, args))


def _line(message: str, args: tuple[Any, ...]) -> str:
    return message % args if args else message
