"""The source's estimates, which a mirror shows in place of its own."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment

__all__ = ["SourceEstimates"]

_LEAST_NS: Final = 1_000_000  # an unfinished job's remaining time is never 0


class SourceEstimates:
    """An `Engine` that returns the source's last estimate, less the time since then."""

    def __init__(self, away: Callable[[], bool]) -> None:
        """Start without estimates; while the source is `away`, remaining times are unknown."""
        self._away = away
        self._known: dict[str, tuple[Estimate, int]] = {}

    def note(self, estimates: Mapping[str, Estimate], changed: Iterable[str], at: Moment) -> None:
        """Take over estimates that were made at `at`; of `changed` jobs, earlier ones are dropped."""
        for job_id in changed:
            self._known.pop(job_id, None)
        self._known.update((job_id, (estimate, at.mono_ns)) for job_id, estimate in estimates.items())

    def estimate(self, job: Job, now: Moment) -> Estimate:
        """See `Engine.estimate`."""
        if job.state.ended:
            return Estimate(job.percent, 0)
        found = self._known.get(job.job_id)
        if found is None:
            return Estimate(job.percent, phase_percent=job.reached)
        estimate, at_ns = found
        if self._away():
            return Estimate(estimate.percent, runs=estimate.runs, phase_percent=estimate.phase_percent)
        passed_ns = max(0, now.mono_ns - at_ns)
        if not passed_ns:
            return estimate
        return msgspec.structs.replace(
            estimate,
            remaining_ns=_later(estimate.remaining_ns, passed_ns, _LEAST_NS),
            low_ns=_later(estimate.low_ns, passed_ns, 0),
            high_ns=_later(estimate.high_ns, passed_ns, _LEAST_NS),
            phase_remaining_ns=_later(estimate.phase_remaining_ns, passed_ns, 0),
        )


def _later(value_ns: int | None, passed_ns: int, least_ns: int) -> int | None:
    return None if value_ns is None else max(least_ns, value_ns - passed_ns)
