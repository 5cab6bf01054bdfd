"""The delivery of orders: to each connected worker of a job, until one of them answers.

An order is an event, so it is on disk before it is sent. It is sent once over each connection, and again over the next
one if the worker has not answered. A worker recognizes an order that arrives twice by its id.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from phaseline.model.job import Job
from phaseline.model.snapshot import Order
from phaseline.wire import OrderStatus, order_status

__all__ = ["OrderDelivery", "Receiver"]

Receiver = Callable[[str, Order], None]
"""Receives a job's id and an order; it must not block or raise."""

_encode: Final = msgspec.json.Encoder().encode


class OrderDelivery:
    """The jobs whose orders wait for an answer, and the connections to their workers."""

    def __init__(self) -> None:
        """Begin without jobs and connections."""
        self._waiting: dict[str, Job] = {}
        self._connections: dict[str, list[OrderChannel]] = {}
        self._here: list[Receiver] = []

    def attend(self, receiver: Receiver) -> None:
        """Give every order to `receiver` too, which works in this process; it may receive one several times."""
        self._here.append(receiver)

    def publish(self, job: Job) -> None:
        """Deliver the orders of a job that was published; cheap if it has none."""
        if not job.orders.pending:
            if self._waiting:
                self._waiting.pop(job.job_id, None)
            return
        self._waiting[job.job_id] = job
        for order in job.orders.pending:
            for receiver in self._here:
                receiver(job.job_id, order)
        for name in job.workers:
            for channel in self._connections.get(name, ()):
                channel.send(job)

    def pending(self, job_id: str) -> list[OrderStatus]:
        """Return the orders of a job that wait for an answer, oldest first."""
        job = self._waiting.get(job_id)
        return [] if job is None else [order_status(order) for order in job.orders.pending]

    def connect(self, name: str, channel: "OrderChannel") -> None:
        """Send the orders of the jobs of this worker over `channel`, those first that wait already."""
        self._connections.setdefault(name, []).append(channel)
        for job in self._waiting.values():
            if name in job.workers:
                channel.send(job)

    def disconnect(self, name: str, channel: "OrderChannel") -> None:
        """Send no more orders of this worker over `channel`."""
        channels = self._connections.get(name, [])
        channels.remove(channel)
        if not channels:
            del self._connections[name]


class OrderChannel:
    """The way to one worker, over which each order is sent once."""

    __slots__ = ("_sent", "_write")

    def __init__(self, write: Callable[[Sequence[bytes]], None]) -> None:
        """Send messages with `write`, which must neither wait nor raise."""
        self._write = write
        self._sent: set[str] = set()

    def send(self, job: Job) -> None:
        """Send the orders of a job that were not sent before."""
        new = [order for order in job.orders.pending if order.order_id not in self._sent]
        if new:
            self._sent.update(order.order_id for order in new)
            self._write([encode_order(job.job_id, order) for order in new])


def encode_order(job_id: str, order: Order) -> bytes:
    """Return the message that brings an order to a worker."""
    status = msgspec.structs.asdict(order_status(order))
    return _encode({"type": "order", "job_id": job_id, **status})
