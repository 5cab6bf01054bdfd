"""The picture API's engine: each phase is expected to take its moving average.

`percent = 100 * done / total` and `remaining = total - done`, where `total` is the sum of the averages of the phases
that are not skipped and `done` that of the ended phases, plus the current one's elapsed time, capped at its average.

The picture API does not define the case of a phase without history. If a later phase has history, every run so far
skipped this one, so it has no weight. Otherwise no run has reached it: the remaining time is unknown, and for the
percent the phase weighs as much as the mean of the others; reported progress counts as done. A workflow without
declared phases is assumed to have one more such phase.
"""

from phaseline.model.job import Job
from phaseline.model.phase import Phase
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.states import PhaseState
from phaseline.model.statistics import Statistics

__all__ = ["EmaEngine"]

_SKIPPED, _DONE, _CURRENT = PhaseState.SKIPPED, PhaseState.DONE, PhaseState.CURRENT


class EmaEngine:
    """Estimates from `statistics`, which the caller keeps up to date."""

    def __init__(self, statistics: Statistics) -> None:
        """Create an engine that reads `statistics`."""
        self._statistics = statistics

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """See `phaseline.eta.Engine`. The band is None, because an average has no spread."""
        known, workflow = self._statistics.averages, job.workflow
        averages = [known.get((workflow.name, phase.name)) for phase in job.phases]
        samples = [average for average in averages if average is not None]
        reached = max([i for i, average in enumerate(averages) if average is not None], default=-1)
        stranger_ns = (sum([average.avg_ns for average in samples]) / len(samples) if samples else 0) or 1.0
        total, done, open_end = (0.0, 0.0, False) if workflow.phases else (stranger_ns, 0.0, True)
        phase_percent, phase_remaining_ns = 0.0, None
        for i, (phase, average) in enumerate(zip(job.phases, averages, strict=True)):
            state = phase.state
            if state is _SKIPPED:
                continue
            weight = average.avg_ns if average else 0.0 if i < reached else stranger_ns
            total += weight
            if state is _DONE:
                done += weight
                continue
            open_end = open_end or i > reached
            if state is _CURRENT:
                elapsed_ns = phase.elapsed_ns(now)
                phase_percent, phase_remaining_ns = _within(phase, average.avg_ns if average else None, elapsed_ns)
                share = elapsed_ns / weight if average and weight else phase_percent / 100
                done += weight * min(1.0, share)
        # If the averages are used up while work remains, the job overruns them, and the remaining time is unknown.
        remaining_ns = None if open_end else round(total - done) or None
        return Estimate(
            percent=100 * (done / total) if total else 0.0,
            remaining_ns=remaining_ns,
            basis="history" if remaining_ns else "none",
            runs=max([average.count for average in samples], default=0),
            phase_percent=phase_percent,
            phase_remaining_ns=phase_remaining_ns,
        )


def _within(phase: Phase, average_ns: int | None, elapsed_ns: int) -> tuple[float, int | None]:
    """Return the current phase's percent and remaining time; reported progress takes precedence over the average."""
    by_average = min(100.0, 100 * elapsed_ns / average_ns) if average_ns else 0.0
    percent = phase.progress if phase.progress is not None else by_average
    return percent, max(0, average_ns - elapsed_ns) or None if average_ns else None
