"""When estimates are made: not with every report, but once a second for a job, and when it changes its phase."""

from typing import Final

from phaseline.eta import Engine
from phaseline.job import Job
from phaseline.snapshot import Estimate, Moment, State

__all__ = ["Estimates"]

_FRESH_NS: Final = 1_000_000_000


class Estimates:
    """The latest estimate of each active job."""

    def __init__(self, engine: Engine) -> None:
        """Ask `engine`."""
        self._engine = engine
        self._latest: dict[str, tuple[tuple[int, int, State], int, Estimate]] = {}

    def of(self, job: Job, now: Moment, *, exact: bool = True) -> Estimate:
        """Return what is estimated of `job`.

        Args:
            job: Any job.
            now: The present.
            exact: Whether it must take in all that was reported; if not, it may be up to a second old.
        """
        if job.state.ended:
            self._latest.pop(job.job_id, None)
            return self._engine.estimate(job, now)
        reached = job.timeline.reached()
        place = (job.started.mono_ns, -1 if reached is None else reached, job.state)
        known = self._latest.get(job.job_id)
        if known is not None and not exact and known[0] == place and now.mono_ns - known[1] < _FRESH_NS:
            return known[2]
        estimate = self._engine.estimate(job, now)
        self._latest[job.job_id] = (place, now.mono_ns, estimate)
        return estimate

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that left memory."""
        self._latest.pop(job_id, None)
