"""Days of the server's time zone, between times in nanoseconds by the wall clock."""

from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

__all__ = ["Day", "day_before", "day_of"]

_NS: Final = 1_000_000_000


class Day(NamedTuple):
    """A day: from its midnight to before the next one, which is 23 to 25 hours later."""

    since_ns: int
    until_ns: int

    def __contains__(self, wall_ns: object) -> bool:
        """Return whether a time is on this day."""
        return isinstance(wall_ns, int) and self.since_ns <= wall_ns < self.until_ns


def day_of(wall_ns: int) -> Day:
    """Return the local day of a time."""
    return _day(_midnight(wall_ns))


def day_before(day: Day) -> Day:
    """Return the day before `day`."""
    return _day(_midnight(day.since_ns - 1))


def _midnight(wall_ns: int) -> datetime:
    """Return the midnight with which the local day of a time begins, in local time."""
    return datetime.combine(datetime.fromtimestamp(wall_ns // _NS, UTC).astimezone().date(), time.min)


def _day(midnight: datetime) -> Day:
    # A local time without a zone: its offset from UTC is looked up for its date. A midnight that clocks skip is the
    # moment at which they are set.
    since, until = (each.timestamp() for each in (midnight, midnight + timedelta(days=1)))
    return Day(int(since) * _NS, int(until) * _NS)
