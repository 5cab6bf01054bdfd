"""`GET /events`: the stream as Server-Sent Events, for `curl -N` and browsers; resumed by `Last-Event-ID`.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html: an event's id is its position,
`<epoch>/<seq>`, its name is the message's type, its data the message.
"""

from collections.abc import AsyncIterator
from typing import Final

import trio
from quart import Blueprint, Response, request

from phaseline.errors import InvalidField, SlowSubscriber, Unrecoverable
from phaseline.stream import JOBS, PHOTOS, SYSTEM, Message, Position
from phaseline.wire import encode_snapshot
from phaseline_server.broadcaster import Subscriber
from phaseline_server.services import Services
from phaseline_server.tracker import now

__all__ = ["blueprint"]

_HEARTBEAT_S: Final = 15.0  # proxies drop what is silent for long, and a client that left is noticed by a write
_DIGITS: Final = 20  # Python refuses to read numbers of thousands
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    async def events() -> Response:
        channels = request.args.get("channels", f"{JOBS},{PHOTOS},{SYSTEM}").split(",")
        position = _position(request.headers.get("Last-Event-ID") or request.args.get("since", ""))
        stream = _Stream(services, channels, position)
        return Response(stream.run(), headers=_HEADERS, content_type="text/event-stream")

    return routes


def _position(text: str) -> Position | None:
    if not text:
        return None
    epoch, slash, seq = text.rpartition("/")
    if not slash or not (seq.isascii() and seq.isdecimal() and len(seq) <= _DIGITS):
        raise InvalidField("Last-Event-ID", text, "<epoch>/<seq>, the id of the last event that was received")
    return Position(epoch, int(seq))


class _Stream:
    """One client's stream."""

    def __init__(self, services: Services, channels: list[str], position: Position | None) -> None:
        self._tracker = services.tracker
        self._closing = services.door.closing
        self._channels = channels
        self._position = position

    async def run(self) -> AsyncIterator[bytes]:
        """Yield what was missed, or the state, and then whatever happens until the server ends."""
        log = self._tracker.log
        with log.subscribe(self._channels) as subscriber:
            yield self._first(subscriber)
            while not self._closing.is_set():
                try:
                    with trio.move_on_after(_HEARTBEAT_S) as silence:
                        messages = await self._next(subscriber)
                except SlowSubscriber:
                    return
                if silence.cancelled_caught:
                    yield b": still there\n\n"
                    continue
                yield b"".join(map(self._event, messages))

    async def _next(self, subscriber: Subscriber) -> list[Message]:
        """Return the next messages; none when the server ends."""
        messages: list[Message] = []

        async def receive() -> None:
            messages.extend(await subscriber.receive_batch())
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await self._closing.wait()
                nursery.cancel_scope.cancel()
        except* SlowSubscriber as group:
            raise SlowSubscriber(str(group.exceptions[0])) from None
        return messages

    def _first(self, subscriber: Subscriber) -> bytes:
        """Return what the client missed since its position; if that can't be told, or it has none, the state."""
        log, missed, recovered = self._tracker.log, None, None
        if self._position is not None:
            try:
                missed = [message for message in log.since(self._position) if subscriber.wants(message)]
            except Unrecoverable:
                recovered = False
        if missed is not None:
            return b": resumed\n\n" + b"".join(map(self._event, missed))
        state = encode_snapshot(self._tracker.snapshots(), log.top, now().wall_ns, recovered=recovered)
        return _sse(log.top, "snapshot", state)

    def _event(self, message: Message) -> bytes:
        return _sse(Position(self._tracker.log.top.epoch, message.seq), message.type, message.payload)


def _sse(position: Position, name: str, document: bytes) -> bytes:
    return b"id: %s/%d\nevent: %s\ndata: %s\n\n" % (position.epoch.encode(), position.seq, name.encode(), document)
