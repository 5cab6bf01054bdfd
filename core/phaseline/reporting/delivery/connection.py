"""One connection to a server, from the greeting until it is lost: it sends records and receives answers."""

from typing import Any, Final, Protocol

import msgspec
import trio
import trio_websocket

from phaseline.client.address import ELSEWHERE
from phaseline.client.failures import closed_by_server
from phaseline.protocol import HOST_STATUS, TOO_BIG
from phaseline.reporting.delivery.load import LoadMeter
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.record import Record, sent
from phaseline.text import one_line

__all__ = ["Exchange", "Outboxes"]

# Maximum number of records in flight; fewer than the answers that a server queues for a client that reads nothing.
_WINDOW: Final = 256
_LONGEST_SILENCE_S: Final = 20.0
_LONGEST_CODE: Final = 50

_encoder: Final = msgspec.json.Encoder()


class _Reply(msgspec.Struct, frozen=True):
    """The fields of a server's message that a reporter needs."""

    type: str
    producer_seq: int | None = None
    epoch: str = ""
    features: tuple[str, ...] = ()
    error: str = ""
    code: str = ""
    job_id: str = ""
    order_id: str = ""
    order: str = ""
    reason: str = ""


_replies: Final = msgspec.json.Decoder(_Reply)


class Channel(Protocol):
    """A WebSocket or its replacement."""

    async def send_message(self, message: str, /) -> None:
        """Send a message."""
        ...

    async def get_message(self) -> str | bytes:
        """Return the next message of the server."""
        ...


class Outboxes(Protocol):
    """The outboxes to deliver."""

    def all(self) -> list[Outbox]:
        """Return all outboxes; the one of this process is the last."""
        ...

    def next(self) -> Outbox:
        """Return the outbox to send from next."""
        ...

    def ordered(self, job_id: str, order_id: str, order: str, reason: str) -> None:
        """Carry out a user's order, unless it arrived before."""
        ...

    def answered(self, refusal: tuple[Record, str, str] | None) -> None:
        """Record an answer from the server; report a rejection to the worker."""
        ...


class Exchange:
    """The exchange of messages with a server over one WebSocket, or over HTTP instead.

    Answers identify a record only by its number, so only one outbox has records in flight at a time.
    """

    def __init__(
        self, channel: Channel, outboxes: Outboxes, meter: LoadMeter | None = None, *, alone: bool = True
    ) -> None:
        """Deliver `outboxes` over `channel`; unless the server is `alone`, leave it while its log is unreachable."""
        self._channel = channel
        self._alone = alone
        self._meter = meter
        self._started = trio.Event()
        self._outboxes = outboxes
        self._box = outboxes.next()
        self._news = trio.Event()
        self._received = trio.current_time()
        self._registered = ""

    async def greet(self, producer: str) -> str:
        """Receive the server's greeting, register, and return the server's epoch."""
        greeting = _replies.decode(await self._channel.get_message())
        if HOST_STATUS not in greeting.features:  # an older server would answer it with an error
            self._meter = None
        await self._register(producer)
        return greeting.epoch

    async def _register(self, producer: str) -> None:
        self._registered = producer
        await self._send_message({"type": "register", "client_type": "reporter", "acks": True, "producer": producer})

    async def run(self) -> None:
        """Deliver until the connection is lost.

        Raises:
            trio_websocket.ConnectionClosed: The connection is closed.
            trio.TooSlowError: The server stopped answering.
            ConnectionError: The server's log is unreachable, and it is not the only server.
            msgspec.MsgspecError: The server sent an invalid message.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._receive)
            nursery.start_soon(self._watch_silence)
            if self._meter is not None:
                nursery.start_soon(self._send_load, self._meter)

    def notify(self) -> None:
        """Signal that there are more records to deliver."""
        self._news.set()

    async def _send_message(self, message: dict[str, Any]) -> None:
        await self._channel.send_message(_encoder.encode(message).decode())

    async def _send(self) -> None:
        while True:
            self._news = trio.Event()
            box = self._turn()
            if trio.current_time() >= box.release_at:
                box.release()
            idle = not box.spool.in_flight
            own = self._outboxes.all()[-1].spool.producer
            if own != self._registered:
                await self._register(own)
            batch = box.spool.send(_WINDOW - len(box.spool.in_flight))
            if batch and idle:
                self._received = trio.current_time()
            for record in batch:
                await self._channel.send_message(sent(record, box.spool.producer).decode())
            if not batch:
                boxes = [box] if box.spool.in_flight else self._outboxes.all()
                with trio.move_on_at(min(each.release_at for each in boxes)):
                    await self._news.wait()

    async def _send_load(self, meter: LoadMeter) -> None:
        """Send the load of this machine while a job runs."""
        while True:
            if not self._has_jobs():
                self._started = trio.Event()
                await self._started.wait()
            await trio.sleep_until(meter.next_at())
            if self._has_jobs() and (message := await meter.message()) is not None:
                await self._channel.send_message(message)

    def _has_jobs(self) -> bool:
        return any(len(box.spool.known) for box in self._outboxes.all())

    def _turn(self) -> Outbox:
        if not self._box.spool.in_flight:
            self._box = self._outboxes.next()
        return self._box

    async def _receive(self) -> None:
        while True:
            reply = _replies.decode(await self._channel.get_message())
            if reply.type == "order":
                self._outboxes.ordered(reply.job_id, reply.order_id, reply.order, reply.reason)
                continue
            if reply.type not in {"ack", "error"}:
                continue
            in_flight = self._box.spool.in_flight
            # Answers arrive in the order of the reports, so one without a number belongs to the oldest report.
            number = next(iter(in_flight), None) if reply.producer_seq is None else reply.producer_seq
            if number is None or number not in in_flight:
                continue
            self._received = trio.current_time()
            if reply.type == "ack":
                self._box.acknowledge(number)
                self._started.set()
                self._outboxes.answered(None)
            else:
                code, text = one_line(reply.code, _LONGEST_CODE), one_line(reply.error)
                if code in ELSEWHERE and not self._alone:
                    raise ConnectionError(text)  # records in flight are sent to the next server
                self._outboxes.answered(self._box.refuse(number, code, text, self._received))
            self._news.set()

    async def _watch_silence(self) -> None:
        while True:
            await trio.sleep(_LONGEST_SILENCE_S / 4)
            if self._box.spool.in_flight and trio.current_time() - self._received > _LONGEST_SILENCE_S:
                raise trio.TooSlowError

    def blame(
        self, closed: trio_websocket.ConnectionClosed, websocket: trio_websocket.WebSocketConnection
    ) -> tuple[Record, str, str] | None:
        """Drop the largest record in flight if the server closed the connection because of a frame's size.

        If this client closed it because of a message from the server that was too large, all records are sent again.
        """
        in_flight = self._box.spool.in_flight
        if closed.reason is None or closed.reason.code != TOO_BIG or not in_flight:
            return None
        if not closed_by_server(websocket):
            return None
        number = max(in_flight, key=lambda number: len(in_flight[number].body))
        size = len(in_flight[number].body)
        text = f"the server does not accept a frame of {size} bytes ({one_line(closed.reason.reason or 'too big')})"
        return self._box.refuse(number, "TOO_LARGE", text, trio.current_time())
