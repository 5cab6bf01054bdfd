"""Detection of silent connections."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from phaseline_tui.model.connection import Timing

__all__ = ["Silence"]

_SLEPT_S: Final = 5.0
"""If the wall clock gains this much on the monotonic clock, the machine was suspended."""


class Silence:
    """The time since data arrived from a server.

    Attributes:
        last_received: When it arrived last, in monotonic seconds; 0 before it ever has.
    """

    def __init__(self, timing: Timing, stale: Callable[[float], None], dead: Callable[[], None]) -> None:
        """Call `stale` with `last_received` after a silence of `timing.stale`, and `dead` after `timing.dead`."""
        self.last_received = 0.0
        self._timing = timing
        self._stale = stale
        self._dead = dead

    def end(self) -> float:
        """Record that data has arrived, and return the time."""
        self.last_received = time.monotonic()
        return self.last_received

    async def watch(self, ping: Callable[[], Awaitable[None]]) -> None:
        """Send pings while no data arrives; return once the connection is dead."""
        timing = self._timing
        ahead = time.time() - time.monotonic()
        while True:
            await trio.sleep(min(timing.ping, timing.stale) / 3)
            now = time.monotonic()
            slept = time.time() - now - ahead >= _SLEPT_S
            ahead = time.time() - now
            last_received = self.last_received
            if slept:  # the connection may be dead; give a ping's answer only `Timing.open` seconds
                self.last_received = min(last_received, now - timing.dead + timing.open)
            silence = now - self.last_received
            if silence >= timing.dead:
                self._dead()
                return
            if silence >= timing.stale:
                self._stale(last_received)
            if silence >= timing.ping:
                with trio.move_on_after(timing.ping):
                    await ping()
