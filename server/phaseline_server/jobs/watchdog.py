"""The watchdog: marks jobs as stalled or lost, and removes ended ones from memory."""

from typing import Final, Protocol

import msgspec
import structlog
import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import Finding, JobLost, JobResumed, JobStalled, StallReason
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.transitions import is_worse
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.turns import Turns

__all__ = ["Patience", "UsualSilence", "Watchdog"]

_log: Final = structlog.get_logger()
_ROUND_S: Final = 1.0
# If a round is this late, the server itself was interrupted: stopped, suspended, or starved of the CPU.
_AWAY_S: Final = 5.0


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of silence in seconds, and the retention of ended jobs.

    Attributes:
        retention_s: Time for which an ended job stays in memory.
        stall_after_s: Shortest silence after which a job stalls; the phase's usual silence may allow more.
        lease_s: Silence after which a job is lost.
        gone_after_s: Time for a disconnected worker to reconnect before its job stalls.
        lost_after_s: Time for a disconnected worker to reconnect before its job is lost.
    """

    retention_s: float
    stall_after_s: float
    lease_s: float
    gone_after_s: float
    lost_after_s: float


class UsualSilence(Protocol):
    """Returns how long a job is usually silent."""

    def patience_s(self, job: Job, least_s: float) -> float:
        """Return the time in seconds for which `job` may be silent in its phase, at least `least_s`."""
        ...


class Watchdog:
    """Checks all jobs once a second.

    Attributes:
        limits: The limits of silence.
    """

    def __init__(self, tracker: Tracker, habits: UsualSilence, limits: Patience) -> None:
        """Check the jobs of `tracker`; `habits` knows the usual silence."""
        self._tracker = tracker
        self._habits = habits
        self.limits = limits
        # Silence before this time does not count, because the server could not receive reports.
        self._present = self._looked = tracker.clock()

    async def run(self) -> None:
        """Check all jobs every second until cancelled."""
        while True:
            await trio.sleep(_ROUND_S)
            await self.look()

    async def look(self) -> None:
        """Check all jobs once; other tasks run meanwhile."""
        moment = self._tracker.clock()
        if moment.mono_ns - self._looked.mono_ns > _AWAY_S * 1e9:
            _log.warning("the server was paused", seconds=round((moment.mono_ns - self._looked.mono_ns) / 1e9, 1))
            self._present = moment
        self._looked = moment
        turns = Turns()
        jobs = self._tracker.jobs()
        workers = set[str]()
        for job in jobs:
            if job.ended is None:
                workers.update(job.workers)
            await turns.offer()
        self._tracker.workers.forget_others(workers, moment)
        for job in jobs:
            # Only if the job has not changed while other tasks ran.
            if self._tracker.has(job):
                self._look_after(job, moment)
            await turns.offer()
        self._tracker.tidy()

    def _look_after(self, job: Job, moment: Moment) -> None:
        if job.ended is not None:
            if moment.mono_ns - job.ended.mono_ns > self.limits.retention_s * 1e9:
                self._tracker.forget(job.job_id)
            return
        if job.dismissed:
            return
        workers = self._tracker.workers
        gone = workers.gone_since(job.workers)
        if gone is not None:
            self._judge(job, moment, gone, "worker gone", self.limits.gone_after_s, self.limits.lost_after_s)
        elif job.stall_reason == "worker gone" and any(map(workers.is_connected, job.workers)):
            self._report(JobResumed(job_id=job.job_id), job, moment)
            return
        # Queued and paused jobs have nothing to report, so only the loss of their worker is a sign.
        if job.state is not State.LOST and job.state is not State.QUEUED and not job.orders.paused:
            least_s = self.limits.stall_after_s
            silence_s = self._seconds_since(job.last_report, moment)
            # The usual silence is only computed when it matters.
            patience_s = self._habits.patience_s(job, least_s) if silence_s > least_s else least_s
            self._judge(job, moment, job.last_report, "silent", patience_s, self.limits.lease_s)

    def _seconds_since(self, since: Moment, moment: Moment) -> float:
        return (moment.mono_ns - max(since.mono_ns, self._present.mono_ns)) / 1e9

    def _judge(
        self, job: Job, moment: Moment, since: Moment, reason: StallReason, stalls_after_s: float, lost_after_s: float
    ) -> None:
        """Report that `job` is lost or stalled, if its worker was silent for too long and the state changes."""
        away_s = self._seconds_since(since, moment)
        if away_s > lost_after_s and job.state is not State.LOST:
            self._report(JobLost(job_id=job.job_id, reason=reason), job, moment)
        elif away_s > stalls_after_s and (job.state is State.ACTIVE or is_worse(job, reason)):
            self._report(JobStalled(job_id=job.job_id, reason=reason), job, moment)

    def _report(self, finding: Finding, job: Job, moment: Moment) -> None:
        """Report a finding without waiting for the disk; if it can't be stored, the next round finds it again."""
        try:
            self._tracker.take(finding)
        except PhaselineError as error:  # another report is waiting for the disk
            _log.debug("a watchdog event was rejected", job_id=finding.job_id, error=str(error))
        else:
            silence_s = round((moment.mono_ns - job.last_report.mono_ns) / 1e9, 1)
            reason = "" if isinstance(finding, JobResumed) else finding.reason
            _log.warning(finding.type.replace("_", " "), job_id=job.job_id, reason=reason, silent_seconds=silence_s)
