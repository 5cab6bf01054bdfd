"""What systemd is told: that the server is ready, that it still lives, that it ends.

The protocol is that of https://www.freedesktop.org/software/systemd/man/sd_notify.html: a datagram of lines each.
"""

import os
from contextlib import suppress
from typing import Final

import trio

__all__ = ["attend"]

_SHORTEST_S: Final = 0.01
_LAST_WORDS_S: Final = 5.0


async def attend() -> None:
    """Say that the server is ready, then at half of the watchdog's time that it lives, and at last that it ends.

    To be run, until cancelled, while the server serves: a server whose loop hangs says nothing, and is started anew.
    Without a NOTIFY_SOCKET nothing is said. What systemd has no room for at the moment waits until it has, the last
    words for so many seconds.
    """
    interval_s = _watchdog_s() / 2
    try:
        await _say("READY=1")
        while interval_s > 0:
            await trio.sleep(max(interval_s, _SHORTEST_S))
            await _say("WATCHDOG=1")
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(_LAST_WORDS_S, shield=True):
            await _say("STOPPING=1")


def _watchdog_s() -> float:
    """Return after how many seconds of silence systemd acts; 0 if it does not, or means another process."""
    asked, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (asked.isascii() and asked.isdecimal()) or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(asked) / 1e6


async def _say(line: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as mouth:
        # Connected, so that it can be waited for; its queue is one for all services, and may be full.
        await mouth.connect(path.replace("@", "\0", 1) if path[0] == "@" else path)
        await mouth.send(line.encode())
