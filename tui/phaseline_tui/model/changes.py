"""The changes of a batch of frames."""

from dataclasses import dataclass, field

from phaseline_tui.model.jobs import JobKey

__all__ = ["Changes"]


@dataclass(slots=True)
class Changes:
    """The changes of a batch."""

    jobs: set[JobKey] = field(default_factory=set)
    order: bool = False
    """Whether jobs were added, removed or moved."""
    ended: list[JobKey] = field(default_factory=list)
    """Jobs that ended by one of the messages, not by a snapshot."""
    status: bool = False
    """Whether the status of a connection changed."""

    def add(self, other: "Changes") -> None:
        """Add the changes of another batch of the same tick."""
        self.jobs |= other.jobs
        self.order |= other.order
        self.ended += other.ended
        self.status |= other.status
