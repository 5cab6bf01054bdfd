"""Nested loops: the inner ones are steps of the outer one, which reports the progress of both."""

import os
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol

__all__ = ["Loop", "Nest"]


class Loop(Protocol):
    """The parts of a loop with a count that this module needs."""

    n: Any
    total: Any
    nest: "Nest"


_Reference = Callable[[], Loop | None]
# The innermost loop of a thread, or of a task of asyncio or Trio.
_innermost: Final[ContextVar[_Reference]] = ContextVar("_innermost", default=lambda: None)


class Nest:
    """The place of one loop among others: the loop around it, and the steps within its present iteration.

    An iteration's steps are expected to have as many items as those of the iteration before.

    Attributes:
        entered: Whether the loop surrounds the running code, so that loops that begin there are its steps.
        outer: The loop of which this one is a step, or None.
        step: The current step, or None.
        done: The number of items in the finished steps of this iteration.
    """

    def __init__(self, loop: Loop, takes_steps: Callable[[Loop], bool] | None) -> None:
        """Begin `loop`, as a step of the innermost entered loop if `takes_steps` returns true for that one."""
        self.entered = False
        self.outer: Loop | None = None
        self._process = os.getpid()  # a forked child reports for itself
        self._loop: _Reference = weakref.ref(loop)
        self.step: Loop | None = None
        self.done = self._before = 0.0
        self._part = 0.0
        self._at = -1.0
        outer = _innermost.get()()
        if outer is not None and takes_steps is not None and outer.nest.is_around() and takes_steps(outer):
            self.outer = outer
            outer.nest.begin(loop, outer.n)
        _innermost.set(self._loop)

    def is_around(self) -> bool:
        """Return whether the loop surrounds the running code, in this process."""
        return self.entered and self._process == os.getpid()

    def begin(self, step: Loop, n: Any) -> None:
        """Begin a step of iteration `n`."""
        if _number(n) != self._at:
            self._at, self._before, self.done, self._part = _number(n), self.done or self._before, 0.0, 0.0
        self.step = step

    def end(self) -> None:
        """End the loop; it may be called again."""
        outer, self.outer, self.entered = self.outer, None, False
        if _innermost.get() is self._loop:
            _innermost.set(weakref.ref(outer) if outer is not None else lambda: None)
        loop = self._loop()
        if outer is not None and loop is not None and outer.nest.step is loop:
            outer.nest.step = None
            outer.nest.done += _number(loop.n)

    def part_of(self, n: Any) -> float:
        """Return the part of iteration `n` that its steps have done, from 0 to 1."""
        step = self.step
        if _number(n) != self._at:
            return 0.0
        done, whole = self.done, self.done
        if step is not None:
            done += _number(step.n) + step.nest.part_of(step.n)
            whole += _number(step.total)
        whole = max(whole, self._before)
        if whole > 0:
            # The part must not fall if the first iteration turns out to have more steps.
            self._part = min(1.0, max(self._part, done / whole))
        return self._part


def _number(count: Any) -> float:
    """Return a count as a number; a program may set it to anything."""
    try:
        return max(0.0, float(count))
    except Exception:  # noqa: BLE001 - as above
        return 0.0
