"""Delivery by HTTP, for a proxy that blocks WebSockets: an `Exchange` uses it like a WebSocket."""

from collections import deque
from typing import Any, Final

import msgspec
import trio

from phaseline.client.http import HttpConnection, HttpRejected
from phaseline.protocol import HOST_STATUS

__all__ = ["HttpChannel"]

_BATCH: Final = "/progress/batch"
_HOST: Final = "/progress/host"
# Reports in one request, and their bytes; a server's default limit for a body is 1 MiB.
_MOST: Final = 100
_MOST_BYTES: Final = 262_144
# Time between two requests, because each costs more than a frame.
_PACE_S: Final = 0.1
# Statuses of a request that is rejected because of one report in its batch.
_INVALID: Final = frozenset({400, 413, 422})


class _Numbered(msgspec.Struct):
    type: str
    job_id: str = ""
    producer_seq: int | None = None


class _Order(msgspec.Struct):
    order_id: str
    order: str
    reason: str = ""


class _Result(msgspec.Struct):
    success: bool
    seq: int = 0
    error: str = ""
    code: str = ""
    orders: list[_Order] = []


class _Answer(msgspec.Struct):
    epoch: str
    results: list[_Result] = []


_numbers: Final = msgspec.json.Decoder(_Numbered)
_answers: Final = msgspec.json.Decoder(_Answer)
_encoder: Final = msgspec.json.Encoder()


class HttpChannel:
    """Sends reports by POST, and turns the results into the acks and errors that `/ws` would send."""

    def __init__(self, connection: HttpConnection) -> None:
        """Send over `connection`."""
        self._connection = connection
        self._reports: deque[str] = deque()
        self._replies: deque[str] = deque()
        self._more = trio.Event()
        self._answered = trio.Event()
        self._epoch = ""
        self._status: str | None = None
        self._takes_status = True

    async def greet(self) -> None:
        """Check that the server accepts reports, and learn its epoch."""
        self._epoch = _answers.decode(await self._connection.post(_BATCH, b"[]")).epoch
        self._reply({"type": "connection_established", "epoch": self._epoch, "features": [HOST_STATUS]})

    async def send_message(self, text: str) -> None:
        """Queue a report."""
        kind = _numbers.decode(text).type
        if kind == HOST_STATUS:
            self._status = text
        elif kind != "register":  # HTTP has no lasting connection to register
            self._reports.append(text)
        self._more.set()
        await trio.lowlevel.checkpoint()

    async def get_message(self) -> str:
        """Wait for the next answer and return it."""
        while not self._replies:
            self._answered = trio.Event()
            await self._answered.wait()
        return self._replies.popleft()

    async def run(self) -> None:
        """Send the queued reports until cancelled; raise if the connection is lost or the server has new data."""
        while True:
            self._more = trio.Event()
            if not self._reports and self._status is None:
                await self._more.wait()
            await self._deliver_status()
            batch = self._next_batch()
            if not batch:
                continue
            try:
                await self._deliver(batch)
            except HttpRejected as error:
                if error.status not in _INVALID:
                    raise
                await self._deliver_each(batch)
            await trio.sleep(_PACE_S)

    async def _deliver_status(self) -> None:
        """Send the load of this machine, if it is new; after a rejection, such as by an older server, never again."""
        status, self._status = self._status, None
        if status is not None and self._takes_status:
            try:
                await self._connection.post(_HOST, status.encode())
            except HttpRejected:
                self._takes_status = False

    def _next_batch(self) -> list[str]:
        batch: list[str] = []
        size = 0
        while self._reports and len(batch) < _MOST and (not batch or size + len(self._reports[0]) <= _MOST_BYTES):
            batch.append(self._reports.popleft())
            size += len(batch[-1])
        return batch

    async def _deliver(self, batch: list[str]) -> None:
        answer = _answers.decode(await self._connection.post(_BATCH, f"[{','.join(batch)}]".encode()))
        if answer.epoch != self._epoch:
            raise ConnectionError("the server has new data")
        for text, result in zip(batch, answer.results, strict=True):
            known = _numbers.decode(text)
            reply: dict[str, Any] = {"type": "ack", "producer_seq": known.producer_seq}
            if not result.success:
                reply |= {"type": "error", "error": result.error, "code": result.code}
            self._reply(reply)
            for order in result.orders:
                self._reply({"type": "order", "job_id": known.job_id, **msgspec.structs.asdict(order)})

    async def _deliver_each(self, batch: list[str]) -> None:
        for text in batch:
            try:
                await self._deliver([text])
            except HttpRejected as error:
                if error.status not in _INVALID:
                    raise
                number = _numbers.decode(text).producer_seq
                self._reply({"type": "error", "producer_seq": number, "error": error.text, "code": error.code})

    def _reply(self, reply: dict[str, Any]) -> None:
        self._replies.append(_encoder.encode(reply).decode())
        self._answered.set()
