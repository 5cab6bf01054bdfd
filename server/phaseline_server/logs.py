"""Logs: structlog on stderr, as text for people or as JSON lines for machines."""

import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, cast

import msgspec
import structlog

__all__ = ["announce", "configure_logs"]

_STDERR: Final = 2
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _Stderr:
    """Stderr. With a full disk, a file's limit or a closed pipe behind it, lines are lost, and the server goes on."""

    def write(self, text: str) -> None:
        """Write all of `text`, past Python's buffer, which would keep what failed and fail with it again."""
        rest = text.encode(errors="backslashreplace")
        with suppress(OSError):
            while rest:
                rest = rest[os.write(_STDERR, rest) :]

    def flush(self) -> None:
        """Do nothing: nothing is kept."""


_stderr: Final = cast(TextIO, _Stderr())


def configure_logs(form: Literal["text", "json"], level: str) -> None:
    """Send every log from `level` up to stderr, in this form."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: those with every local variable are long, and have keys and tokens in them.
        plain = structlog.dev.plain_traceback
        shared.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(_stderr),
        cache_logger_on_first_use=True,
    )


def announce(urls: list[str]) -> None:
    """Say where the server listens: `listening on <url>`, a line each, for people and scripts alike; at any level."""
    as_json = isinstance(structlog.get_config()["processors"][-1], structlog.processors.JSONRenderer)
    for url in urls:
        if as_json:
            # Not through the logger, whose level may be above this.
            time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            entry = {"url": url, "event": "listening", "level": "info", "timestamp": time}
            _stderr.write(msgspec.json.encode(entry).decode() + "\n")
        else:
            _stderr.write(f"listening on {url}\n")
