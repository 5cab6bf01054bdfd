"""Receipts for reports: their numbers, available once their commit group is on disk."""

from collections.abc import Sequence
from typing import Final

import trio

from phaseline.errors import DiskFull, PhaselineError
from phaseline.stream import Position
from phaseline_server.errors import Deposed, JournalFailed, LogUnavailable
from phaseline_server.jobs.commit_group import Group

__all__ = ["NOT_STORED", "BatchReceipt", "Outcome", "Pending"]

Outcome = int | PhaselineError
"""A report's number, if it is accepted; or why it is rejected."""


# TooMany is not one of these: the next report may end another job and so make room.
NOT_STORED: Final = (Deposed, DiskFull, JournalFailed, LogUnavailable)
"""Errors after which no higher number of a producer must be recorded: the rejected reports, sent again, would be taken
for repeated ones."""


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

    __slots__ = ("_groups", "outcomes")

    def __init__(self, outcomes: list[Outcome], groups: Sequence[Group] = ()) -> None:
        """Wait for `groups`, which contain the accepted reports that are not on disk already, in their order."""
        self.outcomes = outcomes
        self._groups = groups

    @property
    def kept(self) -> bool:
        """Whether all accepted reports are on disk."""
        return all(group.kept for group in self._groups)

    @property
    def kept_in_part(self) -> bool:
        """Whether some of them are on disk, and the others could not be stored."""
        return any(group.kept for group in self._groups) and not self.kept

    @property
    def error(self) -> PhaselineError | None:
        """The error that kept some of them from being stored, or None."""
        return next((group.error for group in self._groups if group.error is not None), None)

    def among(self, outcomes: list[Outcome]) -> "BatchReceipt":
        """Return a receipt with other outcomes, some of which may be of this one's groups."""
        return BatchReceipt(outcomes, self._groups)

    def settled(self) -> "BatchReceipt":
        """Return a receipt in which the error of its group replaces the number of each report that is not stored."""
        failed = [(group, group.error) for group in self._groups if group.error is not None]

        def settle(outcome: Outcome) -> Outcome:
            if isinstance(outcome, int):
                return next((error for group, error in failed if group.spans(outcome, outcome)), outcome)
            return outcome

        return BatchReceipt([settle(outcome) for outcome in self.outcomes])

    async def wait(self) -> None:
        """Return once all accepted reports are on disk and published; raises as `Group.wait`."""
        if not self._groups:
            await trio.lowlevel.checkpoint()
        for group in self._groups:
            await group.wait()
