"""Long computations in short turns, so that no other task waits for them."""

from time import perf_counter
from typing import Final

import trio

__all__ = ["Turns"]

_TURN_S: Final = 0.002  # a request takes several turns, and waits each time for one turn of every busy task


class Turns:
    """Lets other tasks run whenever this one has computed for 2 ms; not a point of cancellation."""

    __slots__ = ("_end_s",)

    def __init__(self) -> None:
        """Begin a turn."""
        self._end_s = perf_counter() + _TURN_S

    async def offer(self) -> bool:
        """Let other tasks run if the turn is over; return whether they did."""
        if perf_counter() < self._end_s:
            return False
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._end_s = perf_counter() + _TURN_S
        return True
