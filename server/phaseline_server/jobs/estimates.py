"""The estimates of all jobs: one is reused for up to a second, until its job changes."""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from phaseline.eta import Engine
from phaseline.eta.reasons import Reasons
from phaseline.model.job import Job
from phaseline.model.snapshot import Brief, Estimate, Moment, Reason
from phaseline.model.states import State
from phaseline.model.statistics import Statistics
from phaseline.wire import encode_refrain
from phaseline_server.jobs.listener import NOBODY, Listener

__all__ = ["Estimates", "SharedEstimate"]

_log: Final = structlog.get_logger()
_FRESH_NS: Final = 1_000_000_000
_LEAST_NS: Final = 1_000_000


def _present(_job: Job) -> Moment | None:
    return None


class SharedEstimate(msgspec.Struct, frozen=True):
    """The part of a job's state that its messages share for up to a second.

    Attributes:
        version: `Job.version` at that time.
        progress: The last report of progress in the current phase: percent, and time spent in the phase.
        at_ns: Time of creation by the monotonic clock.
        estimate: The engine's estimate.
        brief: The state with the estimate.
        refrain: The result of `encode_refrain(brief)`.
    """

    version: object
    progress: tuple[float | None, int] | None
    at_ns: int
    estimate: Estimate
    brief: Brief
    refrain: bytes


class Estimates:
    """The latest estimate of each active job, and the reasons for its changes."""

    def __init__(
        self,
        engine: Engine,
        statistics: Statistics,
        listener: Listener = NOBODY,
        gone_since: Callable[[Job], Moment | None] = _present,
    ) -> None:
        """Begin without estimates.

        Args:
            engine: Computes the estimates.
            statistics: The usual durations of phases, for the reasons.
            listener: Called with each new estimate.
            gone_since: Returns when a job's workers were lost, or None. The job's estimate is frozen from then on.
        """
        self._engine = engine
        self._statistics = statistics
        self._listener = listener
        self._gone_since = gone_since
        self._reasons = Reasons()
        self._published: dict[str, SharedEstimate] = {}

    def exact(self, job: Job, now: Moment) -> Estimate:
        """Return the estimate of `job` at `now`, including the latest progress of its worker."""
        if job.state.ended:
            self.forget(job.job_id)
            return self._engine.estimate(job, now)
        last = self._published.get(job.job_id)
        if last is not None and _is_fresh(last, job, now) and last.progress == _progress(job):
            goes_on = job.state is State.ACTIVE and not job.orders.paused and self._gone_since(job) is None
            return _counted_down(last.estimate, now.mono_ns - last.at_ns) if goes_on else last.estimate
        return self._renew(job, now).estimate

    def recent(self, job: Job, now: Moment) -> SharedEstimate:
        """Return the shared part of the messages of an active `job`; its worker's progress is up to a second old."""
        return self.reusable(job, now) or self._renew(job, now)

    def reusable(self, job: Job, now: Moment) -> SharedEstimate | None:
        """Return what `recent` would return without a new estimate; None if it would need one."""
        last = self._published.get(job.job_id)
        return last if last is not None and _is_fresh(last, job, now) else None

    def outdated(self, job: Job, now: Moment) -> SharedEstimate | None:
        """Return the present state of `job` with its last estimate, if there is one; costs no new estimate."""
        last = self._published.get(job.job_id)
        if last is None:
            return None
        phase = job.phases[job.current] if job.current is not None else None
        percent = 0.0 if phase is None or phase.progress is None else phase.progress
        estimate = msgspec.structs.replace(last.estimate, phase_percent=percent, phase_remaining_ns=None)
        brief = job.brief(now, estimate)
        return msgspec.structs.replace(last, estimate=estimate, brief=brief, refrain=encode_refrain(brief))

    def settle(self, job: Job, now: Moment) -> None:
        """Record the progress that `job` has reached by `now`, or by the loss of its workers."""
        job.settle(self._engine.estimate(job, self._gone_since(job) or now))

    def _renew(self, job: Job, now: Moment) -> SharedEstimate:
        gone = job.last_report if job.state.stopped else self._gone_since(job)
        if job.state is State.QUEUED:
            estimate = self._engine.estimate(job, job.started)  # of its own time, which has not begun
        elif gone is not None:
            # The job's progress since then is unknown.
            estimate = self._engine.estimate(job, gone)
        else:
            estimate = self._engine.estimate(job, now)
            self._listener.estimated(job, now, estimate)
            self._look_for_reason(job, estimate, now)
        brief = job.brief(now, estimate)
        new = SharedEstimate(job.version, _progress(job), now.mono_ns, estimate, brief, encode_refrain(brief))
        self._published[job.job_id] = new
        return new

    def _look_for_reason(self, job: Job, estimate: Estimate, now: Moment) -> None:
        def usual_ns() -> dict[str, int]:
            return self._statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))

        reason = self._reasons.look(job, estimate, usual_ns, now)
        if reason is not None:
            _log.debug("estimate moved", job_id=job.job_id, seconds=round(reason.change_ns / 1e9, 1), why=reason.text)

    def reasons(self, job_id: str) -> tuple[Reason, ...]:
        """Return the reasons for the recent changes of a job's estimate, oldest first."""
        return self._reasons.of(job_id)

    def forget(self, job_id: str) -> None:
        """Drop the estimate of a job that ended."""
        self._published.pop(job_id, None)

    def drop(self, job_id: str) -> None:
        """Drop the estimate of a job evicted from memory, and the reasons for its changes."""
        self.forget(job_id)
        self._reasons.forget(job_id)


def _is_fresh(last: SharedEstimate, job: Job, now: Moment) -> bool:
    return last.version is job.version and 0 <= now.mono_ns - last.at_ns < _FRESH_NS


def _counted_down(estimate: Estimate, ns: int) -> Estimate:
    """Return an estimate made `ns` nanoseconds ago, counted down; an active job's remaining time is never 0."""
    remaining_ns, low_ns, high_ns, phase_ns = (
        None if value is None else max(least, value - ns)
        for value, least in (
            (estimate.remaining_ns, _LEAST_NS),
            (estimate.low_ns, 0),
            (estimate.high_ns, _LEAST_NS),
            (estimate.phase_remaining_ns, 0),
        )
    )
    if remaining_ns is None or not ns:
        return estimate
    return msgspec.structs.replace(
        estimate, remaining_ns=remaining_ns, low_ns=low_ns, high_ns=high_ns, phase_remaining_ns=phase_ns
    )


def _progress(job: Job) -> tuple[float | None, int] | None:
    if job.current is None:
        return None
    phase = job.phases[job.current]
    return phase.progress, phase.reported_ns
