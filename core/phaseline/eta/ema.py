"""Seed A's engine: each phase takes what the moving average says.

`percent = 100 * done / total` and `remaining = total - done`, where `total` is the sum of the averages of the phases
that weren't skipped and `done` that of the phases that are over, plus the current one's elapsed time, capped at its
average.

What the seed leaves open is a phase without history. When a later phase has some, this one was passed by in every
run so far: it weighs nothing. Otherwise no run ever came so far: what remains is unknown, and for the percent the
phase weighs as much as the mean of the others, of which the worker's own progress counts as done.
"""

from phaseline.job import Job
from phaseline.phase import Phase
from phaseline.snapshot import Estimate, Moment, PhaseState
from phaseline.statistics import Statistics

__all__ = ["EmaEngine"]


class EmaEngine:
    """Estimates by `statistics`, which others keep up to date."""

    def __init__(self, statistics: Statistics) -> None:
        """Read from `statistics`."""
        self._statistics = statistics

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """See `phaseline.eta.Engine`. Its band is None, for an average knows none."""
        averages = [self._statistics.average(job.workflow.name, phase.name) for phase in job.phases]
        known = [average.avg_ns for average in averages if average is not None]
        reached = max((i for i, average in enumerate(averages) if average is not None), default=-1)
        stranger_ns = (sum(known) / len(known) if known else 0) or 1.0
        total = done = 0.0
        current = Estimate(0.0)
        for i, (phase, average) in enumerate(zip(job.phases, averages, strict=True)):
            if phase.state is PhaseState.SKIPPED:
                continue
            weight = average.avg_ns if average else 0.0 if i < reached else stranger_ns
            total += weight
            if phase.state is PhaseState.DONE:
                done += weight
            elif phase.state is PhaseState.CURRENT:
                current = _within(phase, average.avg_ns if average else None, now)
                elapsed = phase.elapsed_ns(now) / weight if average and weight else current.phase_percent / 100
                done += weight * min(1.0, elapsed)
        left = [phase for phase in job.phases[reached + 1 :] if phase.state in {PhaseState.PENDING, PhaseState.CURRENT}]
        # Nothing left of the averages while work remains is an overrun: they have nothing to say, and 0 would be a lie.
        remaining_ns = None if left or not job.phases else round(total - done) or None
        return Estimate(
            percent=100 * done / total if total else 0.0,
            remaining_ns=remaining_ns,
            basis="history" if remaining_ns else "none",
            runs=max((average.count for average in averages if average is not None), default=0),
            phase_percent=current.phase_percent,
            phase_remaining_ns=current.phase_remaining_ns,
        )


def _within(phase: Phase, average_ns: int | None, now: Moment) -> Estimate:
    """Return how far the current phase is: the worker's word goes before the average's."""
    elapsed_ns = phase.elapsed_ns(now)
    by_average = min(100.0, 100 * elapsed_ns / average_ns) if average_ns else 0.0
    return Estimate(
        percent=0.0,
        phase_percent=phase.progress if phase.progress is not None else by_average,
        phase_remaining_ns=max(0, average_ns - elapsed_ns) or None if average_ns else None,
    )
