"""Where the program's times come from, so that a test or a screenshot can say what time it is."""

import datetime as dt
import time

__all__ = ["Clock"]


class Clock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return seconds of the clock that measures durations; its zero means nothing."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970 in UTC."""
        return time.time()

    def local(self, wall: float) -> dt.datetime:
        """Return the local time at `wall`, seconds since 1970.

        Raises:
            ValueError, OverflowError, OSError: no calendar reaches that far.
        """
        return dt.datetime.fromtimestamp(wall, tz=dt.UTC).astimezone()
