"""What gathers while the disk is busy: the reports that are committed together."""

import trio

from phaseline.errors import PhaselineError
from phaseline.job import Job
from phaseline.phase import Lesson
from phaseline.stream import Message, Position

__all__ = ["Group", "Pending"]


class Group:
    """Reports that are taken in and numbered, but not kept yet; nobody sees anything of them.

    Attributes:
        messages: In the order of their numbers.
        heads: Every job they are about, as it will be.
        lessons: What each job that ended with them taught, in order.
        ended: The jobs that ended, as they were at their end.
        producers: The latest report of each producer.
        reports: How many there are.
        over: Set once it is kept, or can't be.
        error: Why it can't be kept.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.messages: list[Message] = []
        self.heads: dict[str, Job] = {}
        self.lessons: list[Lesson] = []
        self.ended: list[Job] = []
        self.producers: dict[str, tuple[int, int]] = {}
        self.reports = 0
        self.over = trio.Event()
        self.error: PhaselineError | None = None

    def fail(self, error: PhaselineError) -> None:
        """Tell all who wait that nothing of it was kept."""
        self.error = error
        self.over.set()


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

    @property
    def kept(self) -> bool:
        """Whether it is on disk, and everybody has been told."""
        return self._group is None or (self._group.over.is_set() and self._group.error is None)

    async def wait(self) -> Position:
        """Return the position once the report is on disk and everybody has been told of it.

        Raises:
            DiskFull: There was no room for it; it may be reported again.
            JournalFailed: The disk failed; it may be reported again when the server was restarted.
        """
        if self._group is None:
            await trio.lowlevel.checkpoint()
            return self.position
        await self._group.over.wait()
        error = self._group.error
        if error is not None:
            # One of its own for each who waits: an exception that is raised is changed by it.
            raise type(error)(str(error)) from error
        return self.position
