"""Whether the clients of WebSockets are still there: one task asks all of them in turn."""

from typing import Protocol

import trio

__all__ = ["Pings"]


class _Pinged(Protocol):
    def ping(self) -> None: ...


class Pings:
    """Calls `ping` of each WebSocket every `seconds`, beginning so long after it was added."""

    def __init__(self, seconds: float) -> None:
        """Have none yet."""
        self._seconds = seconds
        # All wait equally long, so the order of insertion is the order of their turns.
        self._due: dict[_Pinged, float] = {}
        self._news = trio.Event()

    def add(self, each: _Pinged) -> None:
        """Ask `each` from now on."""
        self._due[each] = trio.current_time() + self._seconds
        self._news.set()

    def remove(self, each: _Pinged) -> None:
        """Ask it no more."""
        self._due.pop(each, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            if not self._due:
                self._news = trio.Event()
                await self._news.wait()
            await trio.sleep_until(next(iter(self._due.values()), 0))
            present = trio.current_time()
            while self._due:
                each, due = next(iter(self._due.items()))
                if due > present:
                    break
                del self._due[each]
                self._due[each] = present + self._seconds
                each.ping()
