"""The interface of a reporter to its background thread."""

from typing import Protocol

from phaseline.reporting.record import Record

__all__ = ["Worker"]


class Worker(Protocol):
    """Records problems, and carries out orders."""

    def rejected(self, record: Record, code: str, text: str) -> None:
        """Record that the server rejected a record."""
        ...

    def dropped(self, count: int) -> None:
        """Record the total number of records dropped because the spool is full."""
        ...

    def ordered(self, job_id: str, order_id: str, order: str, reason: str) -> None:
        """Carry out a user's order, unless it arrived before."""
        ...
