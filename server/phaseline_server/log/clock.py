"""The clock of a log, for its retention: it advances only by time that has certainly passed.

The wall clock may be wrong. A machine without a battery starts in the year 2000, and any clock may jump. If events and
jobs aged by the wall clock, one such step would delete them all.
"""

from typing import NamedTuple

from phaseline.model.snapshot import Moment

__all__ = ["LogClock", "Reading"]


class Reading(NamedTuple):
    """The time on the log's clock, and on the two other clocks at the same moment, in nanoseconds."""

    log_ns: int
    wall_ns: int
    mono_ns: int


class LogClock:
    """Starts at the wall clock's time and then follows the monotonic clock; it never goes back.

    After a restart of the server it continues with the monotonic clock. After a restart of the machine, only the wall
    clock shows how long that took, so its step is limited.
    """

    def __init__(self, last: Reading | None = None, *, same_boot: bool = False, longest_gap_ns: int = 0) -> None:
        """Continue after an earlier reading.

        Args:
            last: The latest reading of an earlier run; None in a new log.
            same_boot: Whether the machine has been up since then, so that monotonic times can be compared.
            longest_gap_ns: The most that the time between two boots counts.
        """
        self._last = last
        self._same_boot = same_boot
        self._longest_gap_ns = longest_gap_ns
        self._began: Reading | None = None

    def read(self, now: Moment) -> Reading:
        """Return the present reading."""
        if self._began is None:
            self._began = Reading(self._first_ns(now), now.wall_ns, now.mono_ns)
        passed_ns = max(0, now.mono_ns - self._began.mono_ns)
        return Reading(self._began.log_ns + passed_ns, now.wall_ns, now.mono_ns)

    def _first_ns(self, now: Moment) -> int:
        last = self._last
        if last is None:
            return now.wall_ns
        if self._same_boot:
            return last.log_ns + max(0, now.mono_ns - last.mono_ns)
        return last.log_ns + min(max(0, now.wall_ns - last.wall_ns), self._longest_gap_ns)
