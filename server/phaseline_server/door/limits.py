"""Size limits and time-outs of the door, and the matching configuration of hypercorn."""

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
    """Limits of one door. Sizes are in bytes, times in seconds."""

    connections: int = 10_000
    """Maximum open connections over all listeners; further ones are rejected with 503."""
    connections_per_address: int = 256
    """Maximum open connections from one remote address, loopback exempt; further ones are rejected with 429."""
    message: int = 65_536
    """Maximum size of a WebSocket message, all fragments together."""
    fragments: int = 64
    """Maximum number of fragments of a WebSocket message."""
    queue: int = 1_000
    """Maximum number of stream messages queued for one WebSocket."""
    queue_bytes: int = 8_388_608
    """Queue size from which no further stream message is queued."""
    head: int = 16_384
    """Maximum size of a request's line and headers."""
    head_seconds: float = 5
    """Time-out of a request head, from the accept or the request's first byte."""
    idle_seconds: float = 65
    """Time-out between two requests. More than 60 s, so that a client that polls every minute keeps its connection."""
    write_seconds: float = 10
    """Time in which a client must read 64 KiB of waiting data, or it is cut off."""
    pong_seconds: float = 20
    """Interval of WebSocket pings. A client that sends nothing before the next ping is cut off."""
    linger_seconds: float = 2
    """Time to read what the client still sends after our last byte, because a TCP reset would destroy our response."""


def hypercorn_config(limits: Limits) -> Config:
    """Return hypercorn's configuration: no request limit per connection, no access log, no `Server` header."""
    config = Config()
    config.logger_class = _HypercornLogger
    config.include_server_header = False
    config.h11_max_incomplete_size = limits.head
    config.websocket_max_message_size = limits.message
    # By default hypercorn closes a connection after 1,000 requests, which would hit polling clients at random.
    config.keep_alive_max_requests = sys.maxsize
    return config


class _HypercornLogger(Logger):
    """Hypercorn's logger, which writes to structlog and logs no requests."""

    def __init__(self, config: Config) -> None:
        """Ignore `config`: structlog determines levels and format."""

    async def access(self, *args: Any) -> None:
        """Log nothing."""

    async def critical(self, message: str, *args: Any, **_: Any) -> None:
        """Log a message at this level."""
        _log.critical(_line(message, args))

    async def error(self, message: str, *args: Any, **_: Any) -> None:
        """Log a message at this level."""
        _log.error(_line(message, args))

    async def warning(self, message: str, *args: Any, **_: Any) -> None:
        """Log a message at this level."""
        _log.warning(_line(message, args))

    async def info(self, message: str, *args: Any, **_: Any) -> None:
        """Log a message at this level."""
        _log.info(_line(message, args))

    async def debug(self, message: str, *args: Any, **_: Any) -> None:
        """Log a message at this level."""
        _log.debug(_line(message, args))

    async def exception(self, message: str, *args: Any, **_: Any) -> None:
        """Log the current exception with its traceback; it is a bug in the app."""
        error = sys.exception()
        _log.exception(_line(message, args), error=shown(str(error)))

    async def log(self, level: int, message: str, *args: Any, **_: Any) -> None:
        """Log at `level`."""
        _log.log(level, _line(message, args))


def _line(message: str, args: tuple[Any, ...]) -> str:
    return message % args if args else message
