"""Write the counts of progress bars to the pipe of `phaseline run`, as JSON objects, one per line."""

import functools
import os
from time import monotonic
from typing import Any

from . import Process

PACE_S = 0.1
"""Seconds between two reports of one bar."""
_MOST_NEW = 20
"""New bars in a second, so that thousands of short ones cost little."""
_LONGEST = 300
"""Characters of a name or a text."""


class Pipe:
    """The pipe to `phaseline run`."""

    after_end = False
    """Whether a bar has just ended. The next report of the enclosing bar is then sent at once."""
    silenced = 0
    """Number of active calls whose bars are not reported."""

    def __init__(self) -> None:
        self._second = 0.0
        self._new = 0
        self._bars = 0
        self._begun = False

    def new_bar(self) -> int:
        """Return the number of a new bar."""
        self._bars += 1
        return self._bars

    def takes_new(self, now: float) -> bool:
        """Return whether a new bar may be reported at a monotonic time; if so, count it."""
        if now >= self._second + 1.0:
            self._second, self._new = now, 0
        self._new += 1
        return self._new <= _MOST_NEW

    def write(self, library: str, fields: "dict[str, Any]") -> None:
        """Write an object, unless the pipe is full or closed.

        Args:
            library: The library of the bar; "" if the process exits.
            fields: The fields of the bar.
        """
        import json
        import select

        if os.getpid() != Process.pid:
            return
        if not self._begun:
            import atexit

            self._begun = True
            atexit.register(self._end)
        line = json.dumps(dict(fields, hook=library, pid=Process.pid)).encode() + b"\n"
        if len(line) > select.PIPE_BUF:  # a longer one could be cut in two
            return
        poll, number = select.poll(), Process.number
        poll.register(number, select.POLLOUT)
        # The program may have closed the descriptor, and opened a file of its own in its place.
        if poll.poll(0) == [(number, select.POLLOUT)] and os.fstat(number).st_ino == Process.inode:
            os.write(number, line)

    def _end(self) -> None:
        try:
            self.write("", {})
        except Exception:  # the pipe is gone
            pass


PIPE = Pipe()


class Bar:
    """One bar of the program's, as it is reported. No method raises."""

    def __init__(self, library: str, name: object, after_s: float = 0.0, **traits: Any) -> None:
        """Begin a bar.

        Args:
            library: The library that draws it.
            name: The words before the bar.
            after_s: Minimum age in seconds before it is reported.
            traits: Further fields of each report.
        """
        self._library = library
        self._name = name
        self._traits = traits
        self._silenced = PIPE.silenced > 0
        self._number = PIPE.new_bar()
        self._due = monotonic() + after_s
        self._sent = False
        self._full = False

    def report(
        self, done: Any, total: Any, unit: object = "", text: object = "", at_once: bool = False, run: Any = None
    ) -> None:
        """Report how far the bar is, unless it was reported a moment ago.

        Args:
            done: How much is done.
            total: Of how much; None if that is not known.
            unit: The unit of the counts.
            text: The words after the bar.
            at_once: Whether to report regardless of the interval, because a round has begun or the bar ends.
            run: The fraction of the run that is done, if the bars don't give it.
        """
        try:
            if self._silenced:
                return
            now = monotonic()
            full = total is not None and done >= total
            if self._sent:
                if now < self._due and not at_once and not (full and not self._full) and not PIPE.after_end:
                    return
            elif now < self._due or not PIPE.takes_new(now):
                return
            self._full, self._due = full, now + PACE_S
            fields = {
                "name": _short(self._name),
                "done": float(done),
                "total": None if total is None else float(total),
                "unit": _short(unit),
                "text": _short(text),
            }
            self._write(dict(self._traits, **fields) if run is None else dict(self._traits, run=float(run), **fields))
            self._sent = True
            PIPE.after_end = full
        except Exception:  # the program must run, even if its progress is lost
            pass

    def close(self) -> None:
        """Report that the bar has ended."""
        try:
            if self._sent:
                self._sent = False
                self._write({"open": False})
                PIPE.after_end = True
        except Exception:  # as above
            pass

    def _write(self, fields: "dict[str, Any]") -> None:
        from _thread import get_ident

        PIPE.write(self._library, dict(fields, bar=self._number, thread=get_ident()))


def followed(method: Any, report: Any) -> Any:
    """Return a method that calls the original, then `report` with the same positional arguments."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **options: Any) -> Any:
        result = method(self, *args, **options)
        try:
            report(self, *args)
        except Exception:  # the program must run; or the bar was never begun
            pass
        return result

    return called


def _short(value: object) -> str:
    return "" if value is None else str(value)[:_LONGEST]
