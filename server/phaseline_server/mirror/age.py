"""The age of a copy: the time since it was complete last."""

from collections.abc import Callable
from typing import Final

from phaseline.model.snapshot import Moment

__all__ = ["Age"]

_CURRENT_S: Final = 2.5
"""The age up to which a copy is current; the source sends a sign of life each second."""
_AWAY_S: Final = 5.0
"""The age from which the source is unreachable."""
_JUMP_NS: Final = 2 * 10**9
"""Longer than estimates and statuses are reused, so that none from before the jump is."""
_STORED_NS: Final = 5 * 10**9


class Age:
    """Records when a copy was last complete, and stops the clock of its jobs while the source is unreachable.

    Otherwise, jobs would seem to continue, with estimates that count down to zero.
    """

    def __init__(self, present: Callable[[], Moment], complete_ns: int | None) -> None:
        """Begin with the wall-clock time at which the copy was complete before a restart, or None.

        Args:
            present: Returns the present moment.
            complete_ns: That time.
        """
        self._present = present
        started = present()
        ago_ns = 0 if complete_ns is None else max(0, started.wall_ns - complete_ns)
        self._complete = Moment(started.wall_ns - ago_ns, started.mono_ns - ago_ns)
        self._life = self._complete
        self._stored_ns = self._complete.mono_ns
        self._restarted = True

    def note(self, moment: Moment, *, complete: bool) -> bool:
        """Record a sign of life of the source; return whether the time is to be stored."""
        self._life, self._restarted = moment, False
        if not complete:
            return False
        self._complete = moment
        if moment.mono_ns - self._stored_ns < _STORED_NS:
            return False
        self._stored_ns = moment.mono_ns
        return True

    @property
    def silent_s(self) -> float:
        """The time since the last sign of life of the source, or before a restart since the copy was complete."""
        return (self._present().mono_ns - self._life.mono_ns) / 1e9

    @property
    def lag_s(self) -> float:
        """See `Standing.lag_s`."""
        if self.silent_s <= _CURRENT_S and self._complete == self._life and not self._restarted:
            return 0.0
        return round((self._present().mono_ns - self._complete.mono_ns) / 1e9, 3)

    @property
    def away(self) -> bool:
        """Whether the source has been silent for too long."""
        return self._restarted or self.silent_s > _AWAY_S

    def clock(self) -> Moment:
        """Return the present, or while the source is unreachable, the time of its last sign of life."""
        if not self.away:
            return self._present()
        if self._restarted:
            return self._life
        last_ns = round(_AWAY_S * 1e9) + _JUMP_NS
        return Moment(self._life.wall_ns + last_ns, self._life.mono_ns + last_ns)
