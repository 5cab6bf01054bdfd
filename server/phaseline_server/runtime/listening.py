"""The door for the given settings, and the reload of its certificate."""

import signal
import threading

import trio

from phaseline_server.config.settings import Settings
from phaseline_server.door import Door, Limits, Tls

__all__ = ["make_door", "make_tls", "reload_at_hangup"]


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
    """Reload the certificate at each SIGHUP, until cancelled. Without TLS, a SIGHUP ends the server as usual.

    A server outside of the process's main thread receives no signals.
    """
    if tls is None or threading.current_thread() is not threading.main_thread():
        return
    with trio.open_signal_receiver(signal.SIGHUP) as arriving:
        async for _ in arriving:
            await trio.to_thread.run_sync(tls.reload)
