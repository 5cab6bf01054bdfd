"""The messages that publish events, and the full states of jobs."""

from collections.abc import Callable
from typing import Final

import msgspec

from phaseline.model.events import Event, Finding, OrderGiven, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment, PhaseSnapshot, Snapshot
from phaseline.model.states import State
from phaseline.model.statistics import Statistics
from phaseline.wire import ProgressLines, encode_message, needs_snapshot
from phaseline_server.jobs.commit_group import Head
from phaseline_server.jobs.estimates import Estimates, SharedEstimate

__all__ = ["JobMessages"]

# Budget for the estimates of a job in one group, in phases: the cost of an estimate grows with the job's phases. At
# least one is made. Further messages reuse the last estimate; only the job's last message gets a new one.
_PHASES_IN_GROUP: Final = 64


class JobMessages:
    """Creates messages and snapshots of jobs, in one epoch.

    Attributes:
        begins_ns: Returns the estimated time until a queued job starts, or None.
    """

    def __init__(self, estimates: Estimates, statistics: Statistics, epoch: str) -> None:
        """Take estimates from `estimates`, and average durations from `statistics`."""
        self._estimates = estimates
        self._statistics = statistics
        self._epoch = epoch
        self.begins_ns: Callable[[Job, Moment], int | None] = _unknown

    def message(self, event: Event, head: Head, moment: Moment) -> bytes:
        """Return the message of the event that was applied to `head.job` last."""
        job = head.job
        if needs_snapshot(event) or job.state.ended:
            head.behind = False
            return self._of_snapshot(event, job, moment)
        return self._of_brief(event, job, moment, self._affordable(head, moment))

    def exact_message(self, event: Event, job: Job, moment: Moment) -> bytes:
        """Return the same message with a new estimate, whatever it costs."""
        return self._of_brief(event, job, moment, self._estimates.recent(job, moment))

    def _affordable(self, head: Head, moment: Moment) -> SharedEstimate:
        """Return the shared part of the job's messages, with an old estimate if its group had enough new ones."""
        job = head.job
        found, head.behind = self._estimates.reusable(job, moment), False
        if found is None and head.estimated and head.estimated + len(job.phases) > _PHASES_IN_GROUP:
            found = self._estimates.outdated(job, moment)
            head.behind = found is not None
        if found is None:
            found = self._estimates.recent(job, moment)
            head.estimated += max(1, len(job.phases))
        return found

    def _of_snapshot(self, event: Event, job: Job, moment: Moment) -> bytes:
        return encode_message(event, self.snapshot(job, moment), job.seq, self._epoch, _date(event, job, moment))

    def _of_brief(self, event: Event, job: Job, moment: Moment, published: SharedEstimate) -> bytes:
        elapsed_ns = job.elapsed_ns(moment)
        return encode_message(
            event,
            published.brief,
            job.seq,
            self._epoch,
            _date(event, job, moment),
            elapsed_ns=elapsed_ns,
            phase_elapsed_ns=None if job.current is None else max(0, elapsed_ns - job.phase_offset_ns()),
            phase=self._ended_phase(event, job, moment) if isinstance(event, PhaseCompleted) else None,
            refrain=published.refrain,
        )

    def _ended_phase(self, event: PhaseCompleted, job: Job, moment: Moment) -> PhaseSnapshot | None:
        index = job.timeline.index(event.phase)
        if index is None:
            return None
        average = self._statistics.average(job.workflow.name, event.phase)
        return job.phases[index].snapshot(moment, average.avg_ns if average else None)

    def settle(self, job: Job, moment: Moment) -> None:
        """Record the progress that `job` has reached by `moment`, before an event that may stop it."""
        self._estimates.settle(job, moment)

    def lines(self, head: Head, moment: Moment) -> ProgressLines:
        """Return the encoder of progress in the current phase of `head.job`, for this group."""
        job, shared = head.job, self._affordable(head, moment)
        offset_ns = job.phase_offset_ns()
        return ProgressLines(job.job_id, job.phase, shared.brief, self._epoch, shared.refrain, offset_ns=offset_ns)

    def snapshot(self, job: Job, moment: Moment) -> Snapshot:
        """Return a job's full state."""
        averages = self._statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        estimate = self._estimates.exact(job, moment)
        begins_ns = self.begins_ns(job, moment) if job.state is State.QUEUED else None
        return job.snapshot(moment, estimate, averages, self._estimates.reasons(job.job_id), begins_ns)

    def remaining_ns(self, job: Job, moment: Moment) -> int | None:
        """Return the estimated remaining time of an active job, or the whole time of a queued one; None if unknown."""
        return self._estimates.exact(job, moment).remaining_ns

    def estimate(self, job: Job, moment: Moment) -> Estimate:
        """Return the estimate of an unfinished job, as its messages show it."""
        return self._estimates.exact(job, moment)

    def percent(self, job: Job, moment: Moment) -> float:
        """Return the percentage of an active job that is done, as its messages show it."""
        return job.shown_percent(self._estimates.exact(job, moment).percent)

    def past_snapshot(self, job: Job, moment: Moment) -> Snapshot:
        """Return the full state of a job that has changed since `moment`, without anything published later."""
        last = self._estimates.outdated(job, moment)
        estimate = Estimate(0.0) if last is None else last.estimate
        return job.snapshot(moment, msgspec.structs.replace(estimate, percent=job.percent), {})

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that was evicted from memory."""
        self._estimates.drop(job_id)


def _unknown(_job: Job, _moment: Moment) -> None:
    return None


def _date(event: Event, job: Job, moment: Moment) -> int:
    """Return the wall-clock time of an event; of a report, that of its worker."""
    return moment.wall_ns if isinstance(event, Finding | OrderGiven) else job.latest.wall_ns
