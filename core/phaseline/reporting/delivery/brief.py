"""Delivery by a process that is about to exit: without a persistent connection and the imports that it needs."""

import threading
from pathlib import Path
from typing import Final, Literal, Protocol

from phaseline.reporting.delivery.inbox import Inbox, Waiter
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.record import Record

__all__ = ["BriefDelivery", "deliver_briefly"]

_BRIEF_S: Final = 0.25
_LONGEST_END_S: Final = 5.0


class BriefDelivery(Protocol):
    """Delivers the reports of a process that is about to exit, so that it needs no further imports."""

    def is_near(self) -> bool:
        """Return whether the process is about to exit."""
        ...

    def deliver(self, spool: Spool) -> Literal["delivered", "away", "unclear"]:
        """Deliver all records of a spool.

        Returns:
            `away`: no server was reached; `unclear`: only a persistent connection can find the cause.
        """
        ...


def deliver_briefly(
    brief: BriefDelivery, own: Outbox, inbox: Inbox, hurried: threading.Event, directory: Path | None
) -> bool:
    """Deliver without a persistent connection; return False if one is needed.

    Args:
        brief: Delivers the reports.
        own: The outbox of this process.
        inbox: The source of its reports.
        hurried: Set once a caller waits for delivery.
        directory: The directory of the spool, if there is one.
    """
    if not hurried.wait(_BRIEF_S) and not (brief.is_near() and hurried.wait(_LONGEST_END_S)):
        return False
    if directory is not None:
        for box in Outbox.adopted(directory, 1):  # reports of dead processes come first
            box.close()
            return False
    items = inbox.take(progress=True)
    waiters = [item for item in items if isinstance(item, Waiter)]
    own.add(item for item in items if isinstance(item, Record))
    outcome = brief.deliver(own.spool)
    if outcome == "unclear" or (outcome == "away" and (own.fd < 0 or own.problem)):
        own.rewind()
        for waiter in waiters:
            inbox.put_waiter(waiter)
        return False
    own.rewind()
    own.close()
    for waiter in waiters:
        waiter.end(delivered=outcome == "delivered")
    return True
