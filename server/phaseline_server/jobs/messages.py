"""What is told of jobs: the messages of what was reported, and whole snapshots."""

from phaseline.model.events import Event, Finding
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment, Snapshot
from phaseline.model.statistics import Statistics
from phaseline.wire import ProgressLines, encode_message, needs_snapshot
from phaseline_server.jobs.estimates import Estimates

__all__ = ["JobMessages"]


class JobMessages:
    """Tells of jobs, in one epoch."""

    def __init__(self, estimates: Estimates, statistics: Statistics, epoch: str) -> None:
        """Ask `estimates` for each job's, and show the averages in `statistics`."""
        self._estimates = estimates
        self._statistics = statistics
        self._epoch = epoch

    def message(self, event: Event, job: Job, moment: Moment) -> bytes:
        """Return the message of an event that `job` has just taken, and was numbered by."""
        # A finding is of this moment; a report is dated as its worker dates it.
        wall_ns = moment.wall_ns if isinstance(event, Finding) else job.latest.wall_ns
        if needs_snapshot(event) or job.state.ended:
            return encode_message(event, self.snapshot(job, moment), job.seq, self._epoch, wall_ns)
        told, elapsed_ns = self._estimates.told(job, moment), job.elapsed_ns(moment)
        return encode_message(
            event,
            told.brief,
            job.seq,
            self._epoch,
            wall_ns,
            elapsed_ns=elapsed_ns,
            phase_elapsed_ns=None if job.current is None else max(0, elapsed_ns - job.phase_offset_ns()),
            refrain=told.refrain,
        )

    def settle(self, job: Job, moment: Moment) -> None:
        """Have `job` keep what it has reached, as of `moment`, before an event that may stop it."""
        self._estimates.settle(job, moment)

    def lines(self, job: Job, moment: Moment) -> ProgressLines:
        """Return what messages of progress in the present phase of `job` are made with for a while."""
        told = self._estimates.told(job, moment)
        offset_ns = job.phase_offset_ns()
        return ProgressLines(job.job_id, job.phase, told.brief, self._epoch, told.refrain, offset_ns=offset_ns)

    def snapshot(self, job: Job, moment: Moment) -> Snapshot:
        """Return a job's full state."""
        averages = self._statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        estimate = self._estimates.exact(job, moment)
        return job.snapshot(moment, estimate, averages, self._estimates.reasons(job.job_id))

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that has left memory."""
        self._estimates.forget(job_id)
