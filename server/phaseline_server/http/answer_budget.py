"""One budget for all large answers in flight: their size in memory, and how many are built at a time."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final, NamedTuple, Self

import trio

from phaseline_server.errors import Busy

__all__ = ["PAGE_BYTES", "AnswerBudget", "Hold"]

PAGE_BYTES: Final = 2**20
"""Size from which nothing is added to a page. The page's position or cursor continues it."""
_PATIENCE_S: Final = 10.0
_BUILDING: Final = 2  # answers that are built at a time, so that a burst of them delays no other request


class Hold:
    """The part of the budget that one answer holds, until the end of a `with` block."""

    def __init__(self, size: int, resize: Callable[[int], None]) -> None:
        """Hold `size` bytes, which are already counted; `resize` counts a change of the size."""
        self.size = size
        self._resize = resize

    def resize(self, size: int) -> None:
        """Hold exactly `size` bytes. An answer that turns out larger than expected makes the next ones wait."""
        change, self.size = size - self.size, size
        self._resize(change)

    def __enter__(self) -> Self:
        """Hold the bytes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the bytes back."""
        self.resize(0)


class _Waiter(NamedTuple):
    size: int
    who: str
    granted: trio.Event


class AnswerBudget:
    """The budget. Answers beyond it wait, and are rejected after some seconds.

    A client, identified by its token or else its address, gets at most half. So slow readers do not block the others.

    Attributes:
        building: Limits the number of answers that are built at a time; held while an answer is built, not while it
            is sent.
    """

    def __init__(self, most: int, patience_s: float = _PATIENCE_S) -> None:
        """Allow answers of `most` bytes in total, and refuse those that have waited for `patience_s` seconds."""
        self._most = most
        self._share = most // 2
        self._patience_s = patience_s
        self._held = 0
        self._held_by: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()
        self.building = trio.CapacityLimiter(_BUILDING)

    @property
    def held(self) -> int:
        """The size of all answers in flight, in bytes."""
        return self._held

    async def hold(self, size: int, who: str, patience_s: float | None = None) -> Hold:
        """Wait until `size` bytes fit, and hold them.

        Args:
            size: The expected size in bytes; limited to a client's share.
            who: The client.
            patience_s: How long to wait, in seconds; None for the default.

        Raises:
            Busy: They did not fit in time.
        """
        size = min(size, self._share)
        if self._fits(size, who):
            await trio.lowlevel.checkpoint()
            if self._fits(size, who):
                return self._take(size, who)
        waiter = _Waiter(size, who, trio.Event())
        self._waiting.append(waiter)
        patience_s = self._patience_s if patience_s is None else patience_s
        with trio.move_on_after(patience_s):
            try:
                await waiter.granted.wait()
            except trio.Cancelled:
                if waiter.granted.is_set():
                    self._count(-size, who)
                else:
                    self._waiting.remove(waiter)
                raise
            return Hold(size, lambda change: self._count(change, who))
        raise Busy(
            f"answers of {self._held} bytes are being sent, {self._held_by[who]} of them to this client; allowed: "
            f"{self._most}, and {self._share} per client; retry later"
        )

    def _fits(self, size: int, who: str) -> bool:
        return self._held + size <= self._most and self._held_by[who] + size <= self._share

    def _take(self, size: int, who: str) -> Hold:
        self._count(size, who)
        return Hold(size, lambda change: self._count(change, who))

    def _count(self, change: int, who: str) -> None:
        self._held += change
        self._held_by[who] += change
        if not self._held_by[who]:
            del self._held_by[who]
        if change < 0 and self._waiting:
            self._admit()

    def _admit(self) -> None:
        """Admit waiting answers that fit now, in order of arrival."""
        left: deque[_Waiter] = deque()
        while self._waiting:
            waiter = self._waiting.popleft()
            if self._fits(waiter.size, waiter.who):
                self._held += waiter.size
                self._held_by[waiter.who] += waiter.size
                waiter.granted.set()
            else:
                left.append(waiter)
        self._waiting = left
