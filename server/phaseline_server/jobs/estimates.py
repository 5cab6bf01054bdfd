"""When estimates are made: not with every report, but once a second for a job, and when it changes its phase."""

from typing import Final

import msgspec

from phaseline.eta import Engine
from phaseline.model.job import Job
from phaseline.model.snapshot import Brief, Estimate, Moment, State
from phaseline.wire import encode_refrain
from phaseline_server.jobs.listener import NOBODY, Listener

__all__ = ["Estimates", "Told"]

_FRESH_NS: Final = 1_000_000_000


class Told(msgspec.Struct, frozen=True):
    """What messages tell of a job for up to a second, made once.

    Attributes:
        seq: The last event that was taken in.
        run_ns: When the run began, by the monotonic clock.
        reached: The phase it is in, or was in last.
        phases: How many there are.
        state: Its state.
        at_ns: When it was made, by the monotonic clock.
        estimate: As the engine gave it.
        brief: The estimate among the rest.
        refrain: The same, encoded.
    """

    seq: int
    run_ns: int
    reached: int | None
    phases: int
    state: State
    at_ns: int
    estimate: Estimate
    brief: Brief
    refrain: bytes


class Estimates:
    """The latest estimate of each active job."""

    def __init__(self, engine: Engine, listener: Listener = NOBODY) -> None:
        """Ask `engine`, and tell `listener` of its answers."""
        self._engine = engine
        self._listener = listener
        self._told: dict[str, Told] = {}

    def exact(self, job: Job, now: Moment) -> Estimate:
        """Return what is estimated of `job`, with all that was reported of it."""
        if job.state.ended:
            self.forget(job.job_id)
            return self._engine.estimate(job, now)
        told = self._told.get(job.job_id)
        if told is not None and told.seq == job.seq and 0 <= now.mono_ns - told.at_ns < _FRESH_NS:
            return told.estimate
        return self._renewed(job, now).estimate

    def told(self, job: Job, now: Moment) -> Told:
        """Return what is told of an active `job`, whose estimate may be up to a second old."""
        told = self._told.get(job.job_id)
        if (
            told is not None
            and now.mono_ns - told.at_ns < _FRESH_NS
            and told.state is job.state
            and told.reached == (job.current if job.current is not None else job.timeline.reached())
            and told.run_ns == job.started.mono_ns
            and told.phases == len(job.phases)
            and told.brief.photo_id == job.photo_id
        ):
            return told
        return self._renewed(job, now)

    def _renewed(self, job: Job, now: Moment) -> Told:
        estimate = self._engine.estimate(job, now)
        self._listener.said(job, now, estimate)
        brief = job.brief(now, estimate)
        told = self._told[job.job_id] = Told(
            job.seq,
            job.started.mono_ns,
            job.timeline.reached(),
            len(job.phases),
            job.state,
            now.mono_ns,
            estimate,
            brief,
            encode_refrain(brief),
        )
        return told

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that ended, or left memory."""
        self._told.pop(job_id, None)
