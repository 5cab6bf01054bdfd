"""`/ws`: subscriptions, and everything a client may say over a WebSocket."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec
import trio
from quart import Blueprint, Response, websocket

from phaseline.errors import (
    InvalidField,
    InvalidJSON,
    PhaselineError,
    RateLimited,
    SlowSubscriber,
    Unauthorized,
    Unrecoverable,
)
from phaseline.events import Event
from phaseline.stream import Message
from phaseline.wire import (
    Auth,
    Ping,
    Register,
    Subscribe,
    Unsubscribe,
    decode_client,
    encode_snapshot,
    timestamp,
)
from phaseline_server.access import CURRENT
from phaseline_server.broadcaster import Subscriber
from phaseline_server.routes.answer import json_answer
from phaseline_server.services import Services
from phaseline_server.tracker import now

__all__ = ["blueprint"]

PROTOCOL: Final = 1
SLOW: Final = 4008  # come back, and resume
GOING_AWAY: Final = 1001
RATE_LIMITED: Final = 4429  # come back a little later
UNAUTHORIZED: Final = 4501  # don't come back before you have a token
_AUTH_S: Final = 5.0
_MAX_CHANNELS: Final = 1000
_LAST_WORDS_S: Final = 1.0
_LARGEST_BATCH: Final = 262_144  # bytes, before one more message
# Never sent: tells the sender to close. No message of the stream has this number and no channel.
_GOODBYE: Final = Message(0, "", "", frozenset(), b"")

_encoder: Final = msgspec.json.Encoder()


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("websocket", __name__)

    @routes.websocket("/ws")
    async def ws() -> None:
        with services.tracker.log.subscribe(()) as subscriber:
            session = _Session(services, subscriber)
            try:
                await session.run()
            finally:
                services.clients.remove(session.client)

    @routes.get("/ws")
    async def no_upgrade() -> Response:
        text = "this address speaks WebSocket; connect with ws://, or poll the other routes"
        answer = json_answer({"success": False, "error": text, "code": "UPGRADE_REQUIRED"}, 426)
        answer.headers["Upgrade"] = "websocket"
        return answer

    return routes


def _frame(received: object) -> str | bytes:
    """Return a frame as it was: Quart makes None of a binary one that is empty."""
    return received if isinstance(received, str | bytes) else b""


class _Numbered(msgspec.Struct, frozen=True):
    producer_seq: int | None = None


_numbers: Final = msgspec.json.Decoder(_Numbered)


def _numbered(frame: str | bytes) -> dict[str, int]:
    """Return what says which report a refusal is about, as an `ack` would, if the refused frame had a number."""
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        number = _numbers.decode(frame).producer_seq
        return {} if number is None else {"producer_seq": number}
    return {}


class _Session:
    """One client. Replies and messages share one queue and one sender, so they leave in the order of their making."""

    def __init__(self, services: Services, subscriber: Subscriber) -> None:
        self._services = services
        self._tracker = services.tracker
        self._subscriber = subscriber
        self.client = services.clients.add("websocket", services.tracker.log.top)
        self.client.channels = subscriber.channels
        self._coalesce_s = 0.0
        self._batch = False
        self._acks = False
        self._access = CURRENT.get()
        self._farewell = (GOING_AWAY, "the server ends; come back")

    async def run(self) -> None:
        """Serve the client until it leaves, falls behind, or the server ends."""
        await websocket.accept()
        self._reply(
            "connection_established",
            client_id=self.client.client_id,
            server_time=timestamp(now().wall_ns),
            epoch=self._tracker.log.top.epoch,
            protocol=PROTOCOL,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_with_server)
            nursery.start_soon(self._end_without_token)
            nursery.start_soon(self._receive)
            try:
                await self._send()
            except SlowSubscriber as error:
                await websocket.close(SLOW, str(error)[:120])
            nursery.cancel_scope.cancel()

    async def _end_with_server(self) -> None:
        """Let the client hear how the runs end, then say goodbye behind all that is queued."""
        await self._services.door.closing.wait()
        with trio.move_on_after(_LAST_WORDS_S):
            await self._services.runs.wait_over()
        self._subscriber.put(_GOODBYE)

    async def _end_without_token(self) -> None:
        """Close if nobody shows a token in time."""
        with trio.move_on_after(_AUTH_S):
            await self._access.granted.wait()
        if not self._access.granted.is_set():
            self._end(UNAUTHORIZED, f"no token was shown within {_AUTH_S:g} s")

    def _end(self, code: int, reason: str) -> None:
        self._farewell = (code, reason)
        self._subscriber.put(_GOODBYE)

    async def _send(self) -> None:
        while True:
            messages = await self._subscriber.receive_batch(self._coalesce_s)
            ends = _GOODBYE in messages
            if ends:
                messages = messages[: messages.index(_GOODBYE)]
            for frame in _batches(messages) if self._batch else (message.payload for message in messages):
                await websocket.send(frame.decode())
            if ends:
                await websocket.close(*self._farewell)
                return

    async def _receive(self) -> None:
        while True:
            frame = _frame(await websocket.receive())
            try:
                await self._take(frame)
            except (RateLimited, Unauthorized) as error:
                # Nothing that comes behind may be taken: what is refused here will be sent again, before that.
                self._services.refused[error.code] += 1
                self._end(RATE_LIMITED if isinstance(error, RateLimited) else UNAUTHORIZED, str(error)[:120])
                await trio.sleep_forever()
            except PhaselineError as error:
                self._services.refused[error.code] += 1
                self._reply("error", error=str(error), code=error.code, **_numbered(frame))

    async def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            raise InvalidJSON(f"a binary frame of {len(frame)} bytes came; allowed: text frames with a JSON object")
        settings = self._services.settings
        message = decode_client(frame, settings.max_message, settings.max_depth)
        match message:
            case Register():
                self._acks = message.acks
                self.client.client_type = message.client_type
                self._reply("registration_confirmed", client_id=self.client.client_id, client_type=message.client_type)
            case Subscribe():
                self._subscribe(message)
            case Unsubscribe():
                self._subscriber.channels.difference_update(message.channels)
                self._reply("unsubscription_confirmed", channels=sorted(self._subscriber.channels))
            case Ping():
                self._reply("pong", server_time=timestamp(now().wall_ns))
            case Auth():
                self._access.authenticate(message.token)
                self._reply("auth_confirmed")
            case Event():
                position = await self._tracker.report(message)
                if self._acks:
                    self._reply("ack", producer_seq=message.producer_seq, seq=position.seq)

    def _subscribe(self, wanted: Subscribe) -> None:
        """Confirm, then queue what the client missed or the state, and the live messages behind: no await between."""
        subscriber, log = self._subscriber, self._tracker.log
        self._access.known.check_reads()
        if len(subscriber.channels | set(wanted.channels)) > _MAX_CHANNELS:
            raise InvalidField("channels", f"{len(wanted.channels)} more", f"{_MAX_CHANNELS} subscribed at a time")
        subscriber.channels.update(wanted.channels)
        self._coalesce_s, self._batch = wanted.coalesce_ms / 1000, wanted.batch
        recovered: bool | None = None
        missed: tuple[Message, ...] = ()
        if wanted.since is not None:
            with suppress(Unrecoverable):
                missed = tuple(message for message in log.since(wanted.since) if subscriber.wants(message))
                recovered = True
            recovered = recovered is True
        position = wanted.since if recovered and wanted.since else log.top
        confirmed: dict[str, object] = {"channels": sorted(subscriber.channels), "position": position}
        if recovered is not None:
            confirmed["recovered"] = recovered
        self._reply("subscription_confirmed", **confirmed)
        if (wanted.snapshot and recovered is not True) or recovered is False:
            state = encode_snapshot(self._tracker.snapshots(), log.top, now().wall_ns, recovered=recovered)
            self._put("snapshot", state)
        if missed:
            subscriber.put(*missed)

    def _reply(self, kind: str, **fields: object) -> None:
        self._put(kind, _encoder.encode({"type": kind, **fields}))

    def _put(self, kind: str, payload: bytes) -> None:
        self._subscriber.put(Message(0, kind, "", frozenset(), payload))


def _batches(messages: list[Message]) -> Iterator[bytes]:
    """Yield the messages as JSON arrays that are not much larger than a client may be ready for."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        batch.append(message.payload)
        size += len(message.payload)
        if size >= _LARGEST_BATCH:
            yield b"[" + b",".join(batch) + b"]"
            batch, size = [], 0
    if batch:
        yield b"[" + b",".join(batch) + b"]"
