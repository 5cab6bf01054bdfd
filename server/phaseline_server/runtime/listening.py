"""The door for the given settings, and the handling of SIGHUP."""

import os
import signal
import threading

import structlog
import trio

from phaseline_server.config.settings import Settings
from phaseline_server.door import Door, Limits, Tls

__all__ = ["make_door", "make_tls", "reload_at_hangup"]

_log = structlog.get_logger(__name__)


def make_tls(settings: Settings) -> Tls | None:
    """Return the TLS context of `settings`, or None; raise ConfigError if the files are invalid."""
    if not settings.tls_cert:
        return None
    return Tls(settings.tls_cert, settings.tls_key, settings.head_timeout, Limits().linger_seconds)


def make_door(settings: Settings, tls: Tls | None) -> Door:
    """Return a door with the limits of `settings`."""
    limits = Limits(
        connections=settings.max_connections,
        connections_per_address=settings.max_per_address,
        message=settings.max_message,
        fragments=settings.max_fragments,
        queue=settings.queue,
        queue_bytes=settings.queue_bytes,
        head=settings.max_head,
        head_seconds=settings.head_timeout,
        idle_seconds=settings.idle_timeout,
        write_seconds=settings.write_timeout,
        pong_seconds=settings.pong_timeout,
    )
    return Door(limits, tls)


async def reload_at_hangup(tls: Tls | None) -> None:
    """Reload the certificate at each SIGHUP, until cancelled. If SIGHUP means a closed terminal, shut down instead.

    Tokens need no reload: the keeper notices each change. A server outside of the process's main thread receives no
    signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # Under nohup, SIGHUP is ignored, and the server outlives its terminal.
    ends_with_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    with trio.open_signal_receiver(signal.SIGHUP) as arriving:
        async for _ in arriving:
            if ends_with_terminal and not _has_terminal():
                signal.raise_signal(signal.SIGTERM)
            elif tls is None:
                _log.info("reload: no certificate to load; tokens are always current, other settings need a restart")
            else:
                await trio.to_thread.run_sync(tls.reload)


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal that is still open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
