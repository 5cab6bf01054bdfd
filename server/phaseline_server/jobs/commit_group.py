"""Group commit: the reports that arrive while the disk is busy are committed together."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import Event
from phaseline.model.job import Job
from phaseline.model.phase import Phase, PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.stream import Message, channels_of
from phaseline.wire import ProgressLines
from phaseline_server.jobs.deduplication import Numbers
from phaseline_server.log.batch import ProducerKey

__all__ = ["Arrival", "Group", "Head", "Outdated", "Quick"]


class Outdated(NamedTuple):
    """A job's last message in a group, if its estimate is older than the job's state.

    Attributes:
        event: The event of the message.
        place: The message's index in the group.
        present: The time of the report.
    """

    event: Event
    place: int
    present: Moment


class Arrival:
    """Reports that arrived together, or a part of them that joins a group at once.

    Attributes:
        present: The time at which they join.
        owner: See `Tracker.take`.
        worker_of: Returns the name of an event's connected worker; None if there is no lasting connection.
        received: The time of their arrival, from which their ages count.
    """

    __slots__ = ("owner", "present", "received", "worker_of")

    def __init__(self, present: Moment, owner: str, worker_of: Callable[[Event], str] | None = None) -> None:
        """Refer to the circumstances of the reports."""
        self.present = self.received = present
        self.owner = owner
        self.worker_of = worker_of

    def later(self, present: Moment) -> "Arrival":
        """Return the part of the same reports that joins at `present`."""
        part = Arrival(present, self.owner, self.worker_of)
        part.received = self.received
        return part


class Quick(msgspec.Struct, frozen=True):
    """The data that a job's last report of progress shares with the next one, if both are of its current phase.

    Attributes:
        arrival: The reports to which both belong.
        phase: The current phase.
        reported_ns: The time spent in it.
        lines: Encodes the message.
        producer: The producer of the report.
        key: The producer's key if it numbers its reports, otherwise None.
        names: The part of the key that all jobs of the producer share.
        has_photo: Whether the job has a photo id, so that another one has no effect.
    """

    arrival: Arrival
    phase: Phase
    reported_ns: int
    lines: ProgressLines
    producer: str | None
    key: ProducerKey | None
    names: tuple[str, str] | None
    has_photo: bool


class Head:
    """A job as a group will leave it.

    Attributes:
        job: Private to the group until it is stored; then it becomes the published job.
        lines: Encodes its progress; None before the first report of progress, and after any other event.
        channels: The channels that carry its progress.
        estimated: The number of phases in all estimates made for the group's messages.
        recalled: Whether the job had left memory, and was read from the log to be dismissed.
        behind: Whether the estimate in `lines` is older than the job's state.
        outdated: The last message, if its estimate is older than the job's state.
        quick: The data that the job's next report may share with its last one, or None; see `quick.take_quickly`.
    """

    __slots__ = ("behind", "channels", "estimated", "job", "lines", "outdated", "quick", "recalled")

    def __init__(self, job: Job) -> None:
        """Start with a copy of the job's previous state."""
        self.job = job
        self.lines: ProgressLines | None = None
        self.channels = channels_of("job_progress", job.job_id)
        self.estimated = 0
        self.recalled = False
        self.behind = False
        self.outdated: Outdated | None = None
        self.quick: Quick | None = None


class Group:
    """Reports that are accepted and numbered, but neither stored nor published yet.

    Attributes:
        messages: In the order of their numbers.
        heads: The jobs of the messages, by id.
        durations: The phase durations of the ended jobs, in order.
        ended: The jobs that ended, as they were at their end.
        dismissed: The jobs that were dismissed, as they were then.
        numbers: The numbers that producers gave to the reports.
        reports: The number of reports.
        born: The number of jobs that the group adds to memory once it is stored.
        growth: The memory in bytes that its jobs take in addition to what they took before.
        forget: Whether the earlier averages and counts are dropped with it.
        over: Set once it is stored, or has failed.
        error: Why it failed.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.messages: list[Message] = []
        self.heads: dict[str, Head] = {}
        self.durations: list[PhaseDuration] = []
        self.ended: list[Job] = []
        self.dismissed: list[Job] = []
        self.numbers = Numbers()
        self.reports = self.born = self.growth = 0
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

    def spans(self, first: int, last: int) -> bool:
        """Return whether it contains a message with a number from `first` to `last`."""
        return bool(self.messages) and self.messages[0].seq <= last and self.messages[-1].seq >= first

    def fail(self, error: PhaselineError) -> None:
        """Raise an error in all waiting tasks, as nothing of the group was stored."""
        self.error = error
        self.over.set()

    async def wait(self) -> None:
        """Return once it is on disk and published.

        Raises:
            DiskFull: The disk is full; the reports may be sent again.
            JournalFailed: The disk failed; the reports may be sent again after a restart of the server.
        """
        await self.over.wait()
        if self.error is not None:
            # A new exception for each waiting task, as raising one changes it.
            raise type(self.error)(str(self.error)) from self.error
