"""Group commit: the reports that arrive while the disk is busy are committed together."""

from typing import Final

import msgspec
import trio

from phaseline.errors import PhaselineError
from phaseline.eta.observed import finished
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.record import encode_job
from phaseline.model.snapshot import PhaseState
from phaseline.model.statistics import Statistics
from phaseline.stream import Message, Position, channels_of
from phaseline.wire import ProgressLines
from phaseline_server.log.batch import Batch, JobRow, RunRow

__all__ = ["BatchReceipt", "Group", "Head", "Outcome", "Pending", "batch_of"]

Outcome = int | PhaselineError
"""A report's number, if it is kept; or why it was refused."""

_run_encoder: Final = msgspec.json.Encoder()


class Head:
    """A job as a group will leave it.

    Attributes:
        job: Nobody else's until the group is kept, and everybody's then.
        lines: What its progress is told with; None before the first, and once anything else was reported of it.
        channels: Those that carry its progress.
    """

    __slots__ = ("channels", "job", "lines")

    def __init__(self, job: Job) -> None:
        """Start with a copy of the job's previous state."""
        self.job = job
        self.lines: ProgressLines | None = None
        self.channels = channels_of("job_progress", job.job_id)


class Group:
    """Reports that are taken in and numbered, but not kept yet; nobody sees anything of them.

    Attributes:
        messages: In the order of their numbers.
        heads: Every job they are about.
        durations: What each job that ended with them taught, in order.
        ended: The jobs that ended, as they were at their end.
        producers: The latest report of each producer.
        reports: How many there are.
        born: How many of the jobs are in memory only once it is kept.
        forget: Whether the averages and counts of before are dropped with it.
        over: Set once it is kept, or can't be.
        error: Why it can't be kept.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.messages: list[Message] = []
        self.heads: dict[str, Head] = {}
        self.durations: list[PhaseDuration] = []
        self.ended: list[Job] = []
        self.producers: dict[str, tuple[int, int]] = {}
        self.reports = self.born = 0
        self.forget = False
        self.over = trio.Event()
        self.error: PhaselineError | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.messages or self.forget)

    @property
    def kept(self) -> bool:
        """Whether it is on disk and published."""
        return self.over.is_set() and self.error is None

    def fail(self, error: PhaselineError) -> None:
        """Raise an error in all waiting tasks, as nothing of the group was stored."""
        self.error = error
        self.over.set()

    async def wait(self) -> None:
        """Return once it is on disk and everybody has been told of it.

        Raises:
            DiskFull: There was no room for it; it may be reported again.
            JournalFailed: The disk failed; it may be reported again when the server was restarted.
        """
        await self.over.wait()
        if self.error is not None:
            # A new exception for each waiting task, as raising one changes it.
            raise type(self.error)(str(self.error)) from self.error


class Pending:
    """A report that was taken in.

    Attributes:
        position: What its position will be, if it is kept.
    """

    __slots__ = ("_group", "position")

    def __init__(self, position: Position, group: Group | None = None) -> None:
        """Wait for `group`; None for what is kept already."""
        self.position = position
        self._group = group

    async def wait(self) -> Position:
        """Return the position once the report is on disk and everybody has been told of it; raises as `Group.wait`."""
        if self._group is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._group.wait()
        return self.position


class BatchReceipt:
    """Reports that came together, and were each taken in or refused.

    Attributes:
        outcomes: Of each, in their order.
    """

    __slots__ = ("_group", "outcomes")

    def __init__(self, outcomes: list[Outcome], group: Group | None = None) -> None:
        """Wait for `group`; None where nothing is to be kept any more."""
        self.outcomes = outcomes
        self._group = group

    @property
    def kept(self) -> bool:
        """Whether all accepted reports are on disk."""
        return self._group is None or self._group.kept

    def among(self, outcomes: list[Outcome]) -> "BatchReceipt":
        """Return these outcomes, of which some may be of this group."""
        return BatchReceipt(outcomes, self._group)

    def failed(self, error: PhaselineError) -> "BatchReceipt":
        """Return the same, but that what was taken in could not be kept."""
        return BatchReceipt([error if isinstance(outcome, int) else outcome for outcome in self.outcomes])

    async def wait(self) -> None:
        """Return once all that was taken in is on disk and everybody has been told of it; raises as `Group.wait`."""
        if self._group is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._group.wait()


def batch_of(group: Group, statistics: Statistics, at_ns: int) -> Batch:
    """Return what is kept of `group`, after which `statistics` are to change; `at_ns` is the present."""
    if group.forget:
        statistics = Statistics()
    made, hits = statistics.generation_runs, statistics.cache_hits
    for job in group.ended:
        more_made, more_hits = statistics.counted(job)
        made, hits = made + more_made, hits + more_hits
    return Batch(
        at_ns=at_ns,
        messages=group.messages,
        jobs=[_job_row(head.job) for head in group.heads.values()],
        producers=group.producers,
        runs=[_run_row(job) for job in group.ended],
        durations=group.durations,
        averages=statistics.after(group.durations),
        counts=(made, hits) if group.ended else None,
        forget=group.forget,
    )


def _job_row(job: Job) -> JobRow:
    ended_ns = job.ended.wall_ns if job.ended else None
    return JobRow(job.job_id, job.seq, job.state.value, job.latest.wall_ns, ended_ns, encode_job(job))


def _run_row(job: Job) -> RunRow:
    """Return what is kept of a job that has ended."""
    moment = job.ended or job.latest
    failed = next((phase.name for phase in job.phases if phase.state is PhaseState.FAILED), job.phase)
    run = finished(job)
    return RunRow(
        seq=job.seq,
        at_ns=moment.wall_ns,
        job_id=job.job_id,
        workflow=job.workflow.name,
        series=job.series,
        state=str(job.state),
        phase=failed,
        duration_ns=job.elapsed_ns(moment),
        body=None if run is None else _run_encoder.encode(run),
    )
