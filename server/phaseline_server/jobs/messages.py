"""What is told of jobs: the messages of what was reported, and whole snapshots."""

from phaseline.eta import Engine
from phaseline.model.events import Event
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment, Snapshot
from phaseline.model.statistics import Statistics
from phaseline.wire import ProgressLines, encode_message, needs_snapshot
from phaseline_server.jobs.estimates import Estimates
from phaseline_server.jobs.listener import Listener

__all__ = ["Telling"]


class Telling:
    """Tells of jobs, in one epoch."""

    def __init__(self, engine: Engine, statistics: Statistics, listener: Listener, epoch: str) -> None:
        """Ask `engine` for estimates, and `listener` why they have changed; tell of the averages in `statistics`."""
        self._estimates = Estimates(engine, listener)
        self._statistics = statistics
        self._listener = listener
        self._epoch = epoch

    def message(self, event: Event, job: Job, moment: Moment) -> bytes:
        """Return the message of an event that `job` has just taken, and was numbered by."""
        if needs_snapshot(event) or job.state.ended:
            return encode_message(event, self.snapshot(job, moment), job.seq, self._epoch, job.latest.wall_ns)
        told = self._estimates.told(job, moment)
        return encode_message(
            event,
            told.brief,
            job.seq,
            self._epoch,
            job.latest.wall_ns,
            elapsed_ns=job.elapsed_ns(moment),
            refrain=told.refrain,
        )

    def lines(self, job: Job, moment: Moment) -> ProgressLines:
        """Return what messages of progress in the present phase of `job` are made with for a while."""
        told = self._estimates.told(job, moment)
        return ProgressLines(job.job_id, job.phase, told.brief, self._epoch, told.refrain)

    def snapshot(self, job: Job, moment: Moment) -> Snapshot:
        """Return a job's full state."""
        averages = self._statistics.of_workflow(job.workflow.name, (phase.name for phase in job.phases))
        estimate = self._estimates.exact(job, moment)
        return job.snapshot(moment, estimate, averages, self._listener.reasons(job.job_id))

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job that has left memory."""
        self._estimates.forget(job_id)
