"""The connected workers. They let the server detect a worker's death at once, without waiting for its silence.

A worker's name is its producer, or else its connection. If a connection is lost (no close frame, or one for the end of
the process), its workers are gone, unless another connection has them. A regular close has no effect on the job,
because a shell script may open a connection for each report.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from phaseline.model.events import Event
from phaseline.model.snapshot import Moment
from phaseline_server.jobs.order_delivery import OrderChannel, OrderDelivery

__all__ = ["WorkerConnection", "Workers", "joined"]

_MOST_NAMES: Final = 100
"""Maximum number of producers per connection; the oldest ones beyond it are no longer tracked."""
_MOST_OF_JOB: Final = 16
_SEPARATOR: Final = "/"  # between a token's id and a producer; no connection's name has it


class Workers:
    """The connected workers and those that are gone.

    Only the workers of active jobs are kept; see `forget_others`.

    Attributes:
        orders: Delivers the orders of users to them.
    """

    def __init__(self, clock: Callable[[], Moment], away: Iterable[str] = ()) -> None:
        """Start without connected workers; those in `away` reported before a restart."""
        self._clock = clock
        self.orders = OrderDelivery()
        self._connections: dict[str, int] = {}
        # A connection without a producer had its name for itself, and can't come back under it.
        self._left = {name: (clock(), True) for name in away if _SEPARATOR in name}

    def connect(self, client_id: str, write: Callable[[Sequence[bytes]], None]) -> "WorkerConnection":
        """Return a new connection; `write` sends messages to its workers, and must neither wait nor raise."""
        return WorkerConnection(self, client_id, OrderChannel(write))

    def is_connected(self, name: str) -> bool:
        """Return whether a worker is connected."""
        return name in self._connections

    def gone_since(self, names: tuple[str, ...]) -> Moment | None:
        """Return when the last of a job's workers was lost; None while one is connected, or if it closed regularly."""
        if not names or any(name in self._connections for name in names):
            return None
        left = max((self._left[name] for name in names if name in self._left), key=_when, default=None)
        return left[0] if left is not None and left[1] else None

    def forget_others(self, names: set[str], before: Moment) -> None:
        """Drop workers that left before a moment, except `names`, the workers of the jobs active then."""
        for name in self._left.keys() - names:
            if self._left[name][0].mono_ns < before.mono_ns:
                del self._left[name]

    def arrive(self, name: str) -> None:
        """Record that a connection has this worker."""
        self._connections[name] = self._connections.get(name, 0) + 1
        self._left.pop(name, None)

    def leave(self, name: str, *, lost: bool) -> None:
        """Record that a connection no longer has this worker."""
        left = self._connections[name] - 1
        if left:
            self._connections[name] = left
            return
        del self._connections[name]
        self._left[name] = (self._clock(), lost)

    def note_dead(self, name: str) -> None:
        """Record that another process delivers the reports of this dead worker."""
        if name not in self._connections:
            self._left[name] = (self._clock(), True)


class WorkerConnection:
    """One connection that may report jobs."""

    __slots__ = ("_channel", "_client_id", "_names", "_producer", "_token", "_workers")

    def __init__(self, workers: Workers, client_id: str, channel: OrderChannel) -> None:
        """Begin with no worker; `client_id` identifies this connection."""
        self._channel = channel
        self._workers = workers
        self._client_id = client_id
        self._producer: str | None = None
        self._token = ""
        self._names: OrderedDict[str | None, str] = OrderedDict()

    def use_token(self, token: str) -> None:
        """Record the id of the client's token; producer names are scoped to it."""
        if token != self._token:
            self.close(lost=False)
            self._token = token
            self.register(self._producer)

    def register(self, producer: str | None) -> None:
        """Record that this connection belongs to this worker only."""
        if producer is not None:
            self._producer = producer
            self._add(producer)

    def worker_of(self, event: Event) -> str:
        """Return the name of the worker whose report came by this connection."""
        producer = event.producer if event.producer is not None else self._producer
        known = self._names.get(producer)
        if known is not None:
            return known
        if producer is not None and self._producer is not None and producer != self._producer:
            # The registered process delivers a dead process's reports.
            name = self._name(producer)
            self._workers.note_dead(name)
            return name
        return self._add(producer)

    def _add(self, producer: str | None) -> str:
        name = self._names.get(producer)
        if name is None:
            name = self._names[producer] = self._name(producer)
            self._workers.arrive(name)
            self._workers.orders.connect(name, self._channel)
            if len(self._names) > _MOST_NAMES:
                self._leave(self._names.popitem(last=False)[1], lost=False)
        return name

    def _leave(self, name: str, *, lost: bool) -> None:
        self._workers.orders.disconnect(name, self._channel)
        self._workers.leave(name, lost=lost)

    def _name(self, producer: str | None) -> str:
        return self._client_id if producer is None else f"{self._token}{_SEPARATOR}{producer}"

    def close(self, *, lost: bool) -> None:
        """Record that the connection has ended, with or without a regular close."""
        for name in self._names.values():
            self._leave(name, lost=lost)
        self._names.clear()


def joined(workers: Workers, names: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """Return the workers of a job, which were `names`, after a report by `name`; None for one without a connection."""
    connected = [each for each in names if workers.is_connected(each)]
    if name is None:
        return tuple(connected)
    # The first worker started the job, and is likely to stay to its end.
    return (*connected[:1], *connected[1:][2 - _MOST_OF_JOB :], name) if name not in connected else tuple(connected)


def _when(left: tuple[Moment, bool]) -> int:
    return left[0].mono_ns
