"""The source of the program's times; tests and screenshots replace it."""

import datetime as dt
import time

__all__ = ["Clock"]


class Clock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return monotonic seconds since an arbitrary moment."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970 in UTC."""
        return time.time()

    def local(self, wall: float) -> dt.datetime:
        """Return the local time at `wall`, seconds since 1970.

        Raises:
            ValueError, OverflowError, OSError: The time is outside the range of the calendar.
        """
        return dt.datetime.fromtimestamp(wall, tz=dt.UTC).astimezone()
