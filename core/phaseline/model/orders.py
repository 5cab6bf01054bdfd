"""Orders: requests from users to the worker of an unfinished job."""

from typing import Final, NoReturn

import msgspec

from phaseline.errors import IllegalEvent, OrderPending, TakesNoOrders, WorkerGone, shown
from phaseline.model.event_fields import OrderKind
from phaseline.model.snapshot import Order
from phaseline.model.states import State

__all__ = ["Orders"]

_DONE: Final = {"cancel": "cancelled", "pause": "paused", "resume": "resumed"}


class Orders(msgspec.Struct, frozen=True):
    """The orders of one job. A value never changes; the methods return the next one.

    Attributes:
        taken: The kinds of orders that the worker accepts.
        pending: The orders without an answer from the worker; at most one of each kind.
        paused: Whether the worker has taken an order to pause, and none to resume since.
    """

    taken: tuple[OrderKind, ...] = ()
    pending: tuple[Order, ...] = ()
    paused: bool = False

    @classmethod
    def of(cls, taken: tuple[OrderKind, ...], before: "Orders | None" = None) -> "Orders":
        """Return the orders of a job that starts; an order from its time in the queue stays pending."""
        kinds = tuple(dict.fromkeys((*taken, "resume") if "pause" in taken else taken))
        waiting = before.pending if before is not None else ()
        return cls(kinds, tuple(each for each in waiting if each.order in kinds))

    def check_given(self, job_id: str, state: State, stall_reason: str, order: OrderKind) -> None:
        """Check that the job with these orders accepts one more.

        Raises:
            IllegalEvent: The job has ended, or is paused already, or is not paused.
            WorkerGone: Its worker is gone.
            TakesNoOrders: The worker does not accept such orders.
            OrderPending: The same order is already pending.
        """
        failed = f"job {shown(job_id)} can't be {_DONE[order]}"
        if state.ended:
            raise IllegalEvent(f"{failed}: it has ended ({state}); only queued and active jobs can be ordered")
        if state is State.LOST or stall_reason == "worker gone":
            raise WorkerGone(f"{failed}: its worker is gone ({state}); dismiss the job, or report its end")
        if order not in self.taken:
            self._raise_untaken(failed)
        if any(each.order == order for each in self.pending):
            raise OrderPending(f"{failed}: the same order is already pending; wait for the worker's answer")
        pending = {each.order for each in self.pending}
        if order == "pause" and self.paused and "resume" not in pending:
            raise IllegalEvent(f"{failed}: it is paused already; resume it")
        if order == "resume" and not self.paused and "pause" not in pending:
            raise IllegalEvent(f"{failed}: it is not paused; allowed: a paused job")

    def _raise_untaken(self, failed: str) -> NoReturn:
        if not self.taken:
            raise TakesNoOrders(
                f"{failed}: its worker takes no orders; allowed: jobs of phaseline run, phaseline queue, pictures, "
                "and reporters with on_cancel or on_pause"
            )
        raise TakesNoOrders(f"{failed}: its worker does not take this order; allowed: {', '.join(self.taken)}")

    def check_answered(self, job_id: str, order_id: str, order: OrderKind) -> None:
        """Raise IllegalEvent unless the order is pending."""
        if not any((each.order_id, each.order) == (order_id, order) for each in self.pending):
            waiting = ", ".join(f"{each.order} {shown(each.order_id)}" for each in self.pending)
            raise IllegalEvent(
                f"job {shown(job_id)} has no order {order} {shown(order_id)}; allowed: {waiting or 'none is pending'}"
            )

    def given(self, order: Order) -> "Orders":
        """Return the orders after a new one."""
        return msgspec.structs.replace(self, pending=(*self.pending, order))

    def answered(self, order_id: str, order: OrderKind, *, taken: bool) -> "Orders":
        """Return the orders after the worker has taken or refused one."""
        paused = order == "pause" if taken and order != "cancel" else self.paused
        pending = tuple(each for each in self.pending if each.order_id != order_id)
        return msgspec.structs.replace(self, pending=pending, paused=paused)
