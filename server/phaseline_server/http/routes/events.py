"""`GET /events`: the stream as Server-Sent Events, for `curl -N` and browsers; resumed by `Last-Event-ID`.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. An event's id is its position,
`<epoch>/<seq>`; its name is the message's type; its data is the message.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from math import inf
from typing import Final

import trio
from quart import Response, request

from phaseline.errors import Unrecoverable
from phaseline.stream import Message, Position
from phaseline_server.errors import SlowSubscriber
from phaseline_server.fanout.queued import QueuedSubscriber
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import client_name, joined
from phaseline_server.http.routes.common import parse_channels, parse_position
from phaseline_server.http.routes.waiting import read_page
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]

_HEARTBEAT_S: Final = 15.0  # keeps proxies from closing an idle connection, and detects a lost client
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /events`."""

    @handlers
    async def events() -> Response:
        channels = parse_channels(request.args.get("channels"))
        position = parse_position("Last-Event-ID", request.headers.get("Last-Event-ID")) or parse_position(
            "since", request.args.get("since")
        )
        if position is not None:
            await services.tracker.log.catch_up(position)  # here, because its error is an answer
        stream = _Stream(services, channels, position)
        return Response(stream.run(), headers=_HEADERS, content_type="text/event-stream")


class _Stream:
    """The stream to one client."""

    def __init__(self, services: Services, channels: frozenset[str], position: Position | None) -> None:
        self._tracker = services.tracker
        self._answers = services.answers
        self._client = client_name()
        self._closing = services.closing
        self._channels = channels
        self._position = position
        self._recovered: bool | None = None

    async def run(self) -> AsyncIterator[bytes]:
        """Yield the missed messages or the current state, then live messages until the server closes."""
        with self._tracker.log.subscribe(()) as subscriber:
            if self._position is not None:
                async for missed in self._missed(self._position):
                    yield missed
            while self._recovered is not True:
                state = await self._tracker.state()
                yield _sse(state.position, "snapshot", state.frame(recovered=self._recovered))
                async for missed in self._missed(state.position, b""):
                    yield missed
            # Nothing was awaited since the top was read, so no message is lost.
            subscriber.channels = self._channels
            while not self._closing.is_set():
                messages: list[Message] = []  # which may arrive just as the time is over
                try:
                    with trio.move_on_after(_HEARTBEAT_S):
                        await self._receive(subscriber, messages)
                except SlowSubscriber:
                    return
                if not messages and not self._closing.is_set():
                    yield b": still there\n\n"
                for piece in joined(map(self._event, messages), b""):
                    yield piece

    async def _missed(self, position: Position, comment: bytes = b": resumed\n\n") -> AsyncIterator[bytes]:
        """Yield the messages after `position` and set `_recovered` if all of them were available."""
        log = self._tracker.log
        self._recovered = False
        if not log.can_resume(position):
            return
        if comment:
            yield comment
        with suppress(Unrecoverable):
            while position != log.top:
                with await self._answers.hold(PAGE_BYTES, self._client, inf) as hold:
                    async with self._answers.building:
                        page = await read_page(log, position, self._channels, sys.maxsize, PAGE_BYTES)
                    hold.resize(page.size)
                    position = page.position
                    for piece in joined(map(self._event, page.messages), b""):
                        yield piece
            self._recovered = True

    async def _receive(self, subscriber: QueuedSubscriber, messages: list[Message]) -> None:
        """Add the next messages to `messages`; none when the server closes."""

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

    def _event(self, message: Message) -> bytes:
        if not message.seq:  # it is not part of the stream, so no client resumes after it
            return b"event: %s\ndata: %s\n\n" % (message.type.encode(), message.payload)
        return _sse(Position(self._tracker.log.top.epoch, message.seq), message.type, message.payload)


def _sse(position: Position, name: str, document: bytes) -> bytes:
    return b"id: %s/%d\nevent: %s\ndata: %s\n\n" % (position.epoch.encode(), position.seq, name.encode(), document)
