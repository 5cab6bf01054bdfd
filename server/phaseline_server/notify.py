"""What systemd is told: that the server is ready, that it still lives, that it ends.

The protocol is that of https://www.freedesktop.org/software/systemd/man/sd_notify.html: a datagram of lines each.
"""

import os
import socket
from contextlib import suppress
from typing import Final

import trio

__all__ = ["attend"]

_SHORTEST_S: Final = 0.01


async def attend() -> None:
    """Say that the server is ready, then at half of the watchdog's time that it lives, and at last that it ends.

    To be run, until cancelled, while the server serves: a server whose loop hangs says nothing, and is started anew.
    Without a NOTIFY_SOCKET nothing is said.
    """
    interval_s = _watchdog_s() / 2
    _say("READY=1")
    try:
        while interval_s > 0:
            await trio.sleep(max(interval_s, _SHORTEST_S))
            _say("WATCHDOG=1")
        await trio.sleep_forever()
    finally:
        _say("STOPPING=1")


def _watchdog_s() -> float:
    """Return after how many seconds of silence systemd acts; 0 if it does not, or means another process."""
    asked, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (asked.isascii() and asked.isdecimal()) or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(asked) / 1e6


def _say(line: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as mouth:
        mouth.setblocking(False)  # noqa: FBT003 (the standard library's)
        mouth.sendto(line.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)
