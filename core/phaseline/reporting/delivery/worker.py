"""The reporter, as its background thread needs it."""

from typing import Protocol

from phaseline.reporting.record import Record

__all__ = ["Worker"]


class Worker(Protocol):
    """Records problems, and takes orders."""

    def rejected(self, record: Record, code: str, text: str) -> None:
        """Record that the server rejected a record."""
        ...

    def dropped(self, count: int) -> None:
        """Record the total number of records dropped because the spool is full."""
        ...

    def ordered(self, job_id: str, order_id: str, order: str, reason: str) -> None:
        """Carry out an order of a user, unless it arrived before."""
        ...
