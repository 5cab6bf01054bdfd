"""The worker's side of a reporter's connection: it handles the problems and orders that the server sends."""

from typing import Final

from phaseline.client.notes import Warned, warn
from phaseline.errors import shown
from phaseline.model.event_fields import OrderKind
from phaseline.model.events import OrderRefused, OrderTaken
from phaseline.reporting.delivery.inbox import Inbox
from phaseline.reporting.orders import Handlers, OrderHandler
from phaseline.reporting.problems import Problems
from phaseline.reporting.record import Record, encoded
from phaseline.reporting.values import text_of

__all__ = ["WorkerSide"]

_MOST_REMEMBERED: Final = 1000
_KINDS: Final[dict[str, OrderKind]] = {"cancel": "cancel", "pause": "pause", "resume": "resume"}


class WorkerSide:
    """Records the server's problems with reports, and calls the handlers of orders, each order once."""

    def __init__(self, problems: Problems, inbox: Inbox) -> None:
        """Record problems in `problems`, and put the answers to orders into `inbox`."""
        self._problems = problems
        self._inbox = inbox
        self._jobs: dict[str, Handlers] = {}
        self._received: dict[str, None] = {}
        self._warned = Warned()

    def attend(self, job_id: str, handlers: Handlers) -> None:
        """Accept orders for a job with `handlers`; without handlers, accept no more."""
        if handlers:
            self._jobs[job_id] = handlers
        else:
            self._jobs.pop(job_id, None)

    def rejected(self, record: Record, code: str, text: str) -> None:
        """Record that the server rejected a record."""
        self._problems.rejected(record, code, text)

    def dropped(self, count: int) -> None:
        """Record the total number of records dropped because the spool is full."""
        self._problems.dropped(count)

    def ordered(self, job_id: str, order_id: str, order: str, reason: str) -> None:
        """Carry out an order in the calling thread, unless it was received before; answer the server."""
        kind, handlers = _KINDS.get(order), self._jobs.get(job_id)
        if handlers is None or kind is None or order_id in self._received:
            return
        self._received[order_id] = None
        if len(self._received) > _MOST_REMEMBERED:
            del self._received[next(iter(self._received))]
        # The handler may make another thread end the job immediately: the end must follow the answer.
        place = self._inbox.place()
        answer = self._carry_out(job_id, order_id, kind, handlers.get(kind), reason)
        self._inbox.insert(encoded(answer), place)

    def _carry_out(
        self, job_id: str, order_id: str, kind: OrderKind, handler: OrderHandler | None, reason: str
    ) -> OrderTaken | OrderRefused:
        if handler is None:
            return OrderRefused(job_id=job_id, order_id=order_id, order=kind, reason=f"can't {kind}")
        try:
            handler(reason)
        except Exception as error:  # noqa: BLE001 - the worker's function may raise anything
            if self._warned.once(job_id, kind, ""):
                warn("the job %s refuses to %s: %s", shown(job_id), kind, text_of(error))
            why = text_of(error, 1000) or type(error).__name__
            return OrderRefused(job_id=job_id, order_id=order_id, order=kind, reason=why)
        return OrderTaken(job_id=job_id, order_id=order_id, order=kind)
