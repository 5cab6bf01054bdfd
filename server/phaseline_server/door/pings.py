"""Keep-alive pings to WebSocket clients, sent by one task for all of them."""

from typing import Protocol

import trio

__all__ = ["Pings"]


class _Pinged(Protocol):
    def ping(self) -> None: ...


class Pings:
    """Calls `ping` of each WebSocket every `seconds`, first that long after it was added."""

    def __init__(self, seconds: float) -> None:
        """Begin without WebSockets; `seconds` is the interval of the pings."""
        self._seconds = seconds
        # All have the same interval, so the order of insertion is the order of due times.
        self._due: dict[_Pinged, float] = {}
        self._added = trio.Event()

    def add(self, each: _Pinged) -> None:
        """Start pinging `each`."""
        self._due[each] = trio.current_time() + self._seconds
        self._added.set()

    def remove(self, each: _Pinged) -> None:
        """Stop pinging `each`."""
        self._due.pop(each, None)

    async def run(self) -> None:
        """Send pings until canceled."""
        while True:
            if not self._due:
                self._added = trio.Event()
                await self._added.wait()
            await trio.sleep_until(next(iter(self._due.values()), 0))
            present = trio.current_time()
            while self._due:
                each, due = next(iter(self._due.items()))
                if due > present:
                    break
                del self._due[each]
                self._due[each] = present + self._seconds
                each.ping()
