"""What a reporter gets for its reports: their numbers, once the group that contains them is on disk."""

import trio

from phaseline.errors import PhaselineError
from phaseline.stream import Position
from phaseline_server.jobs.commit_group import Group

__all__ = ["BatchReceipt", "Outcome", "Pending"]

Outcome = int | PhaselineError
"""A report's number, if it is accepted; or why it is rejected."""


class Pending:
    """An accepted report.

    Attributes:
        position: Its position, once it is on disk.
    """

    __slots__ = ("_group", "position")

    def __init__(self, position: Position, group: Group | None = None) -> None:
        """Wait for `group`; None if the report is on disk already."""
        self.position = position
        self._group = group

    async def wait(self) -> Position:
        """Return the position once the report is on disk and published; raises as `Group.wait`."""
        if self._group is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._group.wait()
        return self.position


class BatchReceipt:
    """Reports that arrived together; each one is accepted or rejected.

    Attributes:
        outcomes: The outcome of each report, in their order.
    """

    __slots__ = ("_group", "outcomes")

    def __init__(self, outcomes: list[Outcome], group: Group | None = None) -> None:
        """Wait for `group`; None if nothing has to be stored."""
        self.outcomes = outcomes
        self._group = group

    @property
    def kept(self) -> bool:
        """Whether all accepted reports are on disk."""
        return self._group is None or self._group.kept

    def among(self, outcomes: list[Outcome]) -> "BatchReceipt":
        """Return a receipt with other outcomes, some of which may be of this one's group."""
        return BatchReceipt(outcomes, self._group)

    def failed(self, error: PhaselineError) -> "BatchReceipt":
        """Return a receipt in which `error` replaces the numbers, because the group could not be stored."""
        return BatchReceipt([error if isinstance(outcome, int) else outcome for outcome in self.outcomes])

    async def wait(self) -> None:
        """Return once all accepted reports are on disk and published; raises as `Group.wait`."""
        if self._group is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._group.wait()
