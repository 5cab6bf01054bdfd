"""The life of jobs: which fell silent, which are lost, which are forgotten."""

from typing import Final, Protocol

import structlog
import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import JobLost, JobStalled
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment, State
from phaseline_server.jobs.tracker import Tracker

__all__ = ["Lifecycle", "Patience"]

_log: Final = structlog.get_logger()
_ROUND_S: Final = 1.0


class Patience(Protocol):
    """Who knows how long a job may be silent."""

    def patience_s(self, job: Job, least_s: float) -> float:
        """Return for how many seconds `job` may be silent in its phase, `least_s` at least."""
        ...


class Lifecycle:
    """Looks after all jobs once a second.

    Attributes:
        retention_s: How long an ended job stays in memory.
    """

    def __init__(
        self, tracker: Tracker, habits: Patience, *, retention_s: float, stall_after_s: float, lease_s: float
    ) -> None:
        """Look after the jobs of `tracker`.

        Args:
            tracker: Who has the jobs.
            habits: What silence is usual.
            retention_s: How long an ended job stays in memory.
            stall_after_s: How long any job may be silent before it counts as stalled.
            lease_s: How long a job may be silent before it counts as lost.
        """
        self._tracker = tracker
        self._habits = habits
        self.retention_s = retention_s
        self._stall_after_s = stall_after_s
        self._lease_ns = lease_s * 1e9
        self._began = tracker.clock()

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            await trio.sleep(_ROUND_S)
            self.look()

    def look(self) -> None:
        """Look after all jobs, once."""
        moment = self._tracker.clock()
        for job in self._tracker.jobs():
            self._look_after(job, moment)

    def _look_after(self, job: Job, moment: Moment) -> None:
        if job.ended is not None:
            if moment.mono_ns - job.ended.mono_ns > self.retention_s * 1e9:
                self._tracker.forget(job.job_id)
            return
        # While the server was away, nobody could report.
        silence_ns = moment.mono_ns - max(job.heard.mono_ns, self._began.mono_ns)
        if silence_ns > self._lease_ns and job.state is not State.LOST:
            self._report(JobLost(job_id=job.job_id), silence_ns)
        elif (
            job.state is State.ACTIVE
            and silence_ns > self._stall_after_s * 1e9
            and silence_ns > self._habits.patience_s(job, self._stall_after_s) * 1e9
        ):
            self._report(JobStalled(job_id=job.job_id), silence_ns)

    def _report(self, event: JobStalled | JobLost, silence_ns: float) -> None:
        """Report what was found, without waiting for the disk: if it can't be kept, it is found again."""
        try:
            self._tracker.take(event)
        except PhaselineError as error:  # something else was reported and waits for the disk
            _log.debug("a finding was refused", job_id=event.job_id, error=str(error))
        else:
            _log.warning(event.type.replace("_", " "), job_id=event.job_id, silent_seconds=round(silence_ns / 1e9, 1))
