"""One phase of a job, and what it teaches once it ended well."""

from typing import Final

import msgspec

from phaseline.model.snapshot import Moment, PhaseSnapshot, PhaseState

__all__ = ["Phase", "PhaseDuration"]

# What is kept of a worker's progress, in percent: what doubles the progress that was made, and each eighth.
_MARK_FIRST: Final = 0.5
_MARK_STEP: Final = 12.5
# Progress that falls by more began anew, as a second pass does; less is rounding. In percent.
_FALL: Final = 1.0


class PhaseDuration(msgspec.Struct, frozen=True):
    """A phase that ended well took so long: what statistics learn from."""

    workflow: str
    series: str
    phase: str
    duration_ns: int


class Phase(msgspec.Struct, omit_defaults=True):
    """A phase of a job.

    Attributes:
        started: When it was first entered; None before.
        entered_ns: Monotonic time since when it is current; None while it is not.
        spent_ns: Time spent in it before `entered_ns`.
        progress: What its worker last said of it, in percent.
        said_ns: How long it had been current when its worker said so.
        first: What its worker said first, or when its progress began anew: after so many nanoseconds, so many percent.
        marks: What its worker said before, 16 reports at most: after so many
            nanoseconds, so many percent.
        measured: Whether its time is a measure of its work. It is not when the job came back to it after it had
            ended, not when it was only reported to be over while another one was current, and not when the server
            was away meanwhile.
    """

    name: str
    state: PhaseState = PhaseState.PENDING
    started: Moment | None = None
    entered_ns: int | None = None
    spent_ns: int = 0
    progress: float | None = None
    said_ns: int = 0
    first: tuple[int, float] | None = None
    marks: tuple[tuple[int, float], ...] = ()
    error: str = ""
    measured: bool = True

    def elapsed_ns(self, now: Moment) -> int:
        """Return the time spent in it so far."""
        return self.spent_ns + (0 if self.entered_ns is None else max(0, now.mono_ns - self.entered_ns))

    def enter(self, now: Moment) -> None:
        """Make it the current phase, from `now` on."""
        if self.state is PhaseState.DONE or self.spent_ns:
            self.measured = False
        else:
            self.started, self.measured = now, True
        self.state, self.entered_ns, self.progress, self.error = PhaseState.CURRENT, now.mono_ns, None, ""
        self.first, self.marks = None, ()

    def say(self, progress: float, now: Moment) -> None:
        """Take in what its worker says of its progress."""
        said_ns = self.elapsed_ns(now)
        if self.first is None or (self.progress is not None and progress < self.progress - _FALL):
            self.first, self.marks = (said_ns, progress), ()
        self.progress, self.said_ns = progress, said_ns
        last, first = self.marks[-1][1] if self.marks else self.first[1], self.first[1]
        if progress - last >= min(_MARK_STEP, max(last - first, _MARK_FIRST)) and progress < 100:  # noqa: PLR2004
            self.marks = (*self.marks, (self.said_ns, progress))

    def close(self, state: PhaseState, now: Moment) -> None:
        """End it."""
        self.spent_ns, self.entered_ns, self.state = self.elapsed_ns(now), None, state
        if state is PhaseState.DONE:
            self.progress = 100.0

    def note(self, state: PhaseState, now: Moment) -> None:
        """Take in that it is over, of a phase that was never seen to be current: nobody knows what it took."""
        self.started, self.state, self.measured = self.started or now, state, False
        if state is PhaseState.DONE:
            self.progress = 100.0

    def snapshot(self, now: Moment, average_ns: int | None) -> PhaseSnapshot:
        """Return it as plain data."""
        elapsed_ns = self.elapsed_ns(now)
        started_ns = self.started.wall_ns if self.started else 0
        ended = self.started is not None and self.entered_ns is None
        return PhaseSnapshot(
            name=self.name,
            state=self.state,
            started_ns=started_ns,
            ended_ns=started_ns + elapsed_ns if ended else 0,
            elapsed_ns=elapsed_ns,
            average_ns=average_ns,
            progress=self.progress,
            error=self.error,
            measured=self.measured,
        )
