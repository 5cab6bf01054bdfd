"""Logs: structlog on stderr, as text for users or as JSON lines for programs."""

import io
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TextIO, cast

import msgspec
import structlog

from phaseline.text import clean

__all__ = ["announce", "announce_data_dir", "configure_logs"]

_STDERR: Final = 2
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


# Tokens, tickets, keys after "Bearer", and the query of a URL.
_SECRET: Final = re.compile(r"(ph[lt]_|[Bb]earer +|[?&][\w.-]{1,40}=)[^\s'\"&<>]{3,}")


class _Stderr:
    """Stderr. If a write fails (full disk, file-size limit, closed pipe), lines are lost and the server continues."""

    def write(self, text: str) -> None:
        """Write all of `text` without Python's buffer, which would keep failed text and fail again with it."""
        rest = text.encode(errors="backslashreplace")
        with suppress(OSError):
            while rest:
                rest = rest[os.write(_STDERR, rest) :]

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""


_stderr: Final = cast(TextIO, _Stderr())


def configure_logs(form: Literal["text", "json"], level: str) -> None:
    """Write all log entries of at least `level` to stderr, in the format `form`."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared += [structlog.processors.format_exc_info, _sanitized, structlog.processors.JSONRenderer()]
    else:
        console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_indented)
        shared += [_sanitized, console]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(_stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


class _Forward(logging.Handler):
    """Forwards the logs of libraries to structlog, so that all entries have the same format."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record again."""
        log = structlog.get_logger(record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)


def _sanitized(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return an entry without secrets and, except for a traceback, on one line, so that no text can forge an entry."""
    for key, value in entry.items():
        if isinstance(value, str):
            text = _printable(value)
            entry[key] = text if key == "exception" else text.replace("\n", "\\n").replace("\t", " ")
        elif not isinstance(value, bool | int | float | None) and key != "exc_info":
            entry[key] = _printable(ascii(value))
    return entry


def _printable(text: str) -> str:
    """Return `text` without secrets and without control characters."""
    return clean(_SECRET.sub(r"\1…", text))


def _indented(out: TextIO, exc_info: Any) -> None:
    """Write a traceback with indented lines, so that none looks like an entry.

    It is a plain one, because one with local variables is long and contains keys and tokens.
    """
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    out.write("".join(f"\n    {line}" for line in _printable(plain.getvalue()).splitlines()))


def announce(urls: list[str]) -> None:
    """Write `listening on <url>` for each URL, for users and scripts, whatever the log level."""
    for url in urls:
        _announce("listening", f"listening on {url}", url=url)


def announce_data_dir(path: Path) -> None:
    """Write where the data is, for a user who has not chosen the directory."""
    shown = clean(str(path.absolute())).replace("\n", " ")
    _announce("data directory", f"data in {shown}; choose another directory with --data-dir", path=shown)


def _announce(event: str, line: str, **fields: str) -> None:
    """Write a line; not with the logger, whose level may be higher."""
    if isinstance(structlog.get_config()["processors"][-1], structlog.processors.JSONRenderer):
        time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = msgspec.json.encode({**fields, "event": event, "level": "info", "timestamp": time}).decode()
    _stderr.write(f"{line}\n")
