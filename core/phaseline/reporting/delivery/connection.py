"""One connection to a server, from the greeting until it is lost: it sends records and receives answers."""

from typing import Any, Final, Protocol

import msgspec
import trio
import trio_websocket

from phaseline.protocol import STAY_AWAY, TOO_BIG
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.record import Record, sent

__all__ = ["Exchange", "Outboxes"]

# Maximum number of records in flight; fewer than the answers that a server queues for a client that does not read.
_WINDOW: Final = 256
_LONGEST_SILENCE_S: Final = 20.0

_encoder: Final = msgspec.json.Encoder()


class _Reply(msgspec.Struct, frozen=True):
    """The fields of a server's message that a reporter needs."""

    type: str
    producer_seq: int | None = None
    epoch: str = ""
    error: str = ""
    code: str = ""


_replies: Final = msgspec.json.Decoder(_Reply)


class Outboxes(Protocol):
    """The outboxes to deliver."""

    def all(self) -> list[Outbox]:
        """Return all outboxes."""
        ...

    def next(self) -> Outbox:
        """Return the outbox to send from next."""
        ...

    def answered(self, refusal: tuple[Record, str, str] | None) -> None:
        """Record an answer of the server; report a rejection to the worker."""
        ...


class Exchange:
    """The exchange of messages with a server over one WebSocket.

    Answers identify a record by its number only, so only one outbox has records in flight at a time.
    """

    def __init__(self, websocket: trio_websocket.WebSocketConnection, outboxes: Outboxes) -> None:
        self._websocket = websocket
        self._outboxes = outboxes
        self._box = outboxes.next()
        self._news = trio.Event()
        self._heard = trio.current_time()

    async def greet(self, producer: str) -> str:
        """Receive the server's greeting, register, and return the server's epoch."""
        greeting = _replies.decode(await self._websocket.get_message())
        await self._say({"type": "register", "client_type": "reporter", "acks": True, "producer": producer})
        return greeting.epoch

    async def run(self) -> None:
        """Deliver until the connection is lost.

        Raises:
            trio_websocket.ConnectionClosed: The connection is closed.
            trio.TooSlowError: The server stopped answering.
            msgspec.MsgspecError: The server sent an invalid message.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._receive)
            nursery.start_soon(self._mind_silence)

    def tell(self) -> None:
        """Signal that there are more records to deliver."""
        self._news.set()

    async def _say(self, said: dict[str, Any]) -> None:
        await self._websocket.send_message(_encoder.encode(said).decode())

    async def _send(self) -> None:
        while True:
            self._news = trio.Event()
            box = self._turn()
            if trio.current_time() >= box.release_at:
                box.release()
            idle = not box.spool.in_flight
            batch = box.spool.send(_WINDOW - len(box.spool.in_flight))
            if batch and idle:
                self._heard = trio.current_time()
            for record in batch:
                await self._websocket.send_message(sent(record, box.spool.producer).decode())
            if not batch:
                boxes = [box] if box.spool.in_flight else self._outboxes.all()
                with trio.move_on_at(min(each.release_at for each in boxes)):
                    await self._news.wait()

    def _turn(self) -> Outbox:
        if not self._box.spool.in_flight:
            self._box = self._outboxes.next()
        return self._box

    async def _receive(self) -> None:
        while True:
            reply = _replies.decode(await self._websocket.get_message())
            if reply.type not in {"ack", "error"}:
                continue
            in_flight = self._box.spool.in_flight
            # Answers arrive in the order of the reports, so one without a number is for the oldest.
            number = next(iter(in_flight), None) if reply.producer_seq is None else reply.producer_seq
            if number is None or number not in in_flight:
                continue
            self._heard = trio.current_time()
            if reply.type == "ack":
                self._box.acknowledge(number)
                self._outboxes.answered(None)
            else:
                self._outboxes.answered(self._box.refuse(number, reply.code, reply.error, self._heard))
            self._news.set()

    async def _mind_silence(self) -> None:
        while True:
            await trio.sleep(_LONGEST_SILENCE_S / 4)
            if self._box.spool.in_flight and trio.current_time() - self._heard > _LONGEST_SILENCE_S:
                raise trio.TooSlowError

    def blame(self, closed: trio_websocket.ConnectionClosed) -> tuple[Record, str, str] | None:
        """Drop the largest record in flight if the server closed the connection because of a frame's size."""
        in_flight = self._box.spool.in_flight
        if closed.reason is None or closed.reason.code != TOO_BIG or not in_flight:
            return None
        number = max(in_flight, key=lambda number: len(in_flight[number].body))
        size = len(in_flight[number].body)
        text = f"the server does not accept a frame of {size} bytes ({closed.reason.reason or 'too big'})"
        return self._box.refuse(number, "TOO_LARGE", text, trio.current_time())


def is_final(closed: trio_websocket.ConnectionClosed) -> bool:
    """Return whether the server asked the client not to reconnect soon."""
    return closed.reason is not None and closed.reason.code in STAY_AWAY
