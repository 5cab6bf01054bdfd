"""Estimates with their reasons: when they are made, and why they moved.

They are not made with every report, but once a second for a job, and when it changes its phase.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from phaseline.eta import Engine
from phaseline.eta.reasons import Reasons
from phaseline.model.job import Job
from phaseline.model.snapshot import Brief, Estimate, Moment, Reason
from phaseline.model.statistics import Statistics
from phaseline.wire import encode_refrain
from phaseline_server.jobs.listener import NOBODY, Listener

__all__ = ["Estimates", "Told"]

_log: Final = structlog.get_logger()
_FRESH_NS: Final = 1_000_000_000


def _present(_job: Job) -> Moment | None:
    return None


class Told(msgspec.Struct, frozen=True):
    """What messages tell of a job for up to a second, made once.

    Attributes:
        standing: What it stands on, as `_standing` gives it.
        progress: What the worker had reported of the current phase, and when.
        at_ns: When it was made, by the monotonic clock.
        estimate: As the engine gave it.
        brief: The estimate among the rest.
        refrain: The same, encoded.
    """

    standing: tuple[object, ...]
    progress: tuple[object, ...]
    at_ns: int
    estimate: Estimate
    brief: Brief
    refrain: bytes


class Estimates:
    """The latest estimate of each active job, and why it moved."""

    def __init__(
        self,
        engine: Engine,
        statistics: Statistics,
        listener: Listener = NOBODY,
        gone_since: Callable[[Job], Moment | None] = _present,
    ) -> None:
        """Begin with none.

        Args:
            engine: What estimates.
            statistics: How long phases usually take, for the reasons.
            listener: Called with each new estimate.
            gone_since: Returns when a job's workers were lost, or None; its estimate stands from then on.
        """
        self._engine = engine
        self._statistics = statistics
        self._listener = listener
        self._gone_since = gone_since
        self._reasons = Reasons()
        self._told: dict[str, Told] = {}

    def exact(self, job: Job, now: Moment) -> Estimate:
        """Return what is estimated of `job`, with all that was reported of it."""
        if job.state.ended:
            self.forget(job.job_id)
            return self._engine.estimate(job, now)
        told = self._told.get(job.job_id)
        if told is not None and _fresh(told, job, now) and told.progress == _progress(job):
            return told.estimate
        return self._renewed(job, now).estimate

    def told(self, job: Job, now: Moment) -> Told:
        """Return what messages say of an active `job`; the worker's progress in it may be up to a second old."""
        told = self._told.get(job.job_id)
        return told if told is not None and _fresh(told, job, now) else self._renewed(job, now)

    def settle(self, job: Job, now: Moment) -> None:
        """Have `job` keep what it has reached by `now`, or by when its workers were lost."""
        job.settle(self._engine.estimate(job, self._gone_since(job) or now))

    def _renewed(self, job: Job, now: Moment) -> Told:
        gone = job.heard if job.state.stopped else self._gone_since(job)
        if gone is not None:
            # What it had reached by then; no engine knows what has become of it since.
            estimate = self._engine.estimate(job, gone)
        else:
            estimate = self._engine.estimate(job, now)
            self._listener.estimated(job, now, estimate)
            self._look_for_reason(job, estimate, now)
        brief = job.brief(now, estimate)
        told = Told(_standing(job), _progress(job), now.mono_ns, estimate, brief, encode_refrain(brief))
        self._told[job.job_id] = told
        return told

    def _look_for_reason(self, job: Job, estimate: Estimate, now: Moment) -> None:
        usual = self._statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        reason = self._reasons.look(job, estimate, usual, now)
        if reason is not None:
            _log.info("estimate moved", job_id=job.job_id, seconds=round(reason.change_ns / 1e9, 1), why=reason.text)

    def reasons(self, job_id: str) -> tuple[Reason, ...]:
        """Return why a job's estimate moved lately, oldest first."""
        return self._reasons.of(job_id)

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that ended, or left memory."""
        self._told.pop(job_id, None)


def _fresh(told: Told, job: Job, now: Moment) -> bool:
    return 0 <= now.mono_ns - told.at_ns < _FRESH_NS and told.standing == _standing(job)


def _standing(job: Job) -> tuple[object, ...]:
    """Return all that messages and estimates of `job` stand on but the time and the worker's progress.

    By value: an event's number is given to another event when the first one could not be stored.
    """
    phases = tuple(
        [(phase.name, phase.state, phase.entered_ns, phase.spent_ns, phase.measured) for phase in job.phases]
    )
    started = (job.started.mono_ns, job.workflow, job.series, job.host)
    return job.state, job.current, phases, started, job.photo_id, job.info


def _progress(job: Job) -> tuple[object, ...]:
    phase = job.phases[job.current] if job.current is not None else None
    return () if phase is None else (phase.progress, phase.reported_ns)
