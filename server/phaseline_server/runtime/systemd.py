"""Notifications to systemd: ready, watchdog, stopping.

The protocol is https://www.freedesktop.org/software/systemd/man/sd_notify.html: each notification is a datagram of
lines.
"""

import os
from contextlib import suppress
from typing import Final

import trio

__all__ = ["attend"]

_SHORTEST_S: Final = 0.01
_CLOSING_S: Final = 5.0


async def attend() -> None:
    """Notify systemd: READY, then WATCHDOG at half of the watchdog's interval, at last STOPPING.

    Run it until cancelled while the server serves. If the event loop hangs, the notifications stop, and systemd
    restarts the server. Without a NOTIFY_SOCKET nothing is sent. If systemd's queue is full, a notification waits; the
    last one for at most `_CLOSING_S` seconds.
    """
    interval_s = _watchdog_s() / 2
    try:
        await _notify("READY=1")
        while interval_s > 0:
            await trio.sleep(max(interval_s, _SHORTEST_S))
            await _notify("WATCHDOG=1")
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(_CLOSING_S, shield=True):
            await _notify("STOPPING=1")


def _watchdog_s() -> float:
    """Return the watchdog's time-out in seconds; 0 if there is none, or it is for another process."""
    asked, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (asked.isascii() and asked.isdecimal()) or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(asked) / 1e6


async def _notify(line: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as mouth:
        # Connected, so that Trio can wait for it; all services share systemd's queue, which may be full.
        await mouth.connect(path.replace("@", "\0", 1) if path[0] == "@" else path)
        await mouth.send(line.encode())
