"""Logs: structlog on stderr, as text for people or as JSON lines for machines."""

import logging
import sys
from typing import Final, Literal

import structlog

__all__ = ["announce", "configure_logs"]

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def announce(urls: list[str]) -> None:
    """Say where the server listens: `listening on <url>`, a line each, for people and scripts alike."""
    if isinstance(structlog.get_config()["processors"][-1], structlog.processors.JSONRenderer):
        for url in urls:
            structlog.get_logger().info("listening", url=url)
        return
    for url in urls:
        sys.stderr.write(f"listening on {url}\n")
    sys.stderr.flush()
