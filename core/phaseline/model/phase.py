"""One phase of a job, and its duration, from which estimates learn."""

from typing import Final

import msgspec

from phaseline.model.snapshot import Moment, PhaseSnapshot
from phaseline.model.states import PhaseState

__all__ = ["Phase", "PhaseDuration"]

# A mark records a report of progress. It is due when the progress since `first` doubles, and after each eighth; in
# percent.
_MARK_FIRST: Final = 0.5
_MARK_STEP: Final = 12.5
# A larger fall of progress starts a new pass; a smaller one is rounding. In percent.
_FALL: Final = 1.0


class PhaseDuration(msgspec.Struct, frozen=True):
    """The duration of a completed phase; statistics learn from it."""

    workflow: str
    series: str
    phase: str
    duration_ns: int


class Phase(msgspec.Struct, omit_defaults=True, rename={"reported_ns": "said_ns"}):
    """A phase of a job.

    Attributes:
        started: Time of its first entry; None before.
        entered_ns: Monotonic time at which it became current; None while it is not.
        spent_ns: Time spent in it before `entered_ns`.
        progress: The last reported progress, in percent.
        reported_ns: Time spent in the phase when `progress` was reported.
        first: The first report of this pass: time spent in the phase in nanoseconds, progress in percent.
        done: The last reported number of units that are done, or None.
        total: The last reported number of units, or None.
        unit: The name of a unit.
        counted: The first report of `done` in this pass: time spent in the phase in nanoseconds, and the number.
        marks: At most 16 selected reports after `first`, each as a time and a progress.
        measured: Whether its duration measures its work. It does not if the job returned to the phase after its end,
            if only its end was reported while another phase was current, or if the server was down meanwhile.
    """

    name: str
    state: PhaseState = PhaseState.PENDING
    started: Moment | None = None
    entered_ns: int | None = None
    spent_ns: int = 0
    progress: float | None = None
    reported_ns: int = 0
    first: tuple[int, float] | None = None
    marks: tuple[tuple[int, float], ...] = ()
    error: str = ""
    measured: bool = True
    done: float | None = None
    total: float | None = None
    unit: str = ""
    counted: tuple[int, float] | None = None

    def elapsed_ns(self, now: Moment) -> int:
        """Return the time spent in the phase so far."""
        return self.spent_ns + (0 if self.entered_ns is None else max(0, now.mono_ns - self.entered_ns))

    def enter(self, now: Moment) -> None:
        """Make this the current phase at `now`."""
        if self.state is PhaseState.DONE or self.spent_ns:
            self.measured = False
        else:
            self.started, self.measured = now, True
        self.state, self.entered_ns, self.progress, self.error = PhaseState.CURRENT, now.mono_ns, None, ""
        self.first, self.marks = None, ()
        self.done = self.total = self.counted = None

    def report(self, progress: float, now: Moment) -> None:
        """Record the progress that the worker reported at `now`."""
        self.report_after(self.elapsed_ns(now), progress)

    def report_after(self, reported_ns: int, progress: float) -> None:
        """Record the progress that the worker reported after this time in the phase."""
        first, marks, before = self.first, self.marks, self.progress
        if first is None or (before is not None and progress < before - _FALL):
            self.first, self.marks = (reported_ns, progress), ()
        elif progress < 100:  # noqa: PLR2004
            last = marks[-1][1] if marks else first[1]
            step = progress - last
            if step >= _MARK_STEP or (step >= _MARK_FIRST and step >= last - first[1]):
                self.marks = (*marks, (reported_ns, progress))
        self.progress, self.reported_ns = progress, reported_ns

    def percent_of(self, done: float, total: float | None) -> float | None:
        """Return the progress, in percent, for `done` units of `total`; None without a total.

        A total that grows does not lower it. It falls only with `done`, which means another pass.
        """
        if not total:
            return None
        percent = min(100.0, 100 * done / total)
        if self.progress is not None and self.done is not None and done >= self.done:
            return max(percent, self.progress)
        return percent

    def count(self, done: float, total: float | None, unit: str, now: Moment) -> None:
        """Record the number of units that the worker reported."""
        self.reported_ns = self.elapsed_ns(now)
        if self.counted is None or (self.done is not None and done < self.done):
            self.counted = (self.reported_ns, done)
        self.done, self.total, self.unit = done, total, unit

    @property
    def rate(self) -> float | None:
        """Units per second in this pass, or None if unknown."""
        if self.counted is None or self.done is None or self.reported_ns <= self.counted[0]:
            return None
        return (self.done - self.counted[1]) * 1e9 / (self.reported_ns - self.counted[0])

    def close(self, state: PhaseState, now: Moment) -> None:
        """End the phase."""
        self.spent_ns, self.entered_ns, self.state = self.elapsed_ns(now), None, state
        if state is PhaseState.DONE:
            self.progress = 100.0

    def note(self, state: PhaseState, now: Moment) -> None:
        """Record the end of a phase that was never current; its duration is unknown."""
        self.started, self.state, self.measured = self.started or now, state, False
        if state is PhaseState.DONE:
            self.progress = 100.0

    def snapshot(self, now: Moment, average_ns: int | None) -> PhaseSnapshot:
        """Return the phase as plain data."""
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
