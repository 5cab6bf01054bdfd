"""The engine of a mirror: it stores a copy of the log of another server, with that log's epoch and numbers."""

from typing import NamedTuple, Protocol

from phaseline_server.log.batch import Batch
from phaseline_server.log.threaded_store import BlockingEngine

__all__ = ["CopyStart", "MirrorEngine"]


class CopyStart(NamedTuple):
    """A copy that starts again.

    Attributes:
        epoch: The epoch of the source's log.
        after: The number after which the copied messages follow.
        batch: The jobs so far, without messages.
    """

    epoch: str
    after: int
    batch: Batch


class MirrorEngine(BlockingEngine, Protocol):
    """A `BlockingEngine` whose content is a copy."""

    @property
    def complete_ns(self) -> int | None:
        """The wall-clock time at which the copy was complete last; None before it has begun."""
        ...

    def replace(self, start: CopyStart, complete_ns: int) -> None:
        """Replace everything by a copy that starts again, completely or not at all.

        Raises:
            DiskFull: There is no room; nothing is changed.
            JournalFailed: The storage failed.
        """
        ...

    def note_complete(self, wall_ns: int) -> None:
        """Store that the copy is complete; raises DiskFull and JournalFailed."""
        ...
