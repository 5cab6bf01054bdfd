"""`/ws`: a client's frames come and go straight through the door's socket where it offers that, else by Quart."""

from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from quart import Response, current_app, websocket

from phaseline.errors import SlowSubscriber
from phaseline.protocol import GOING_AWAY, SLOW
from phaseline.stream import Message
from phaseline_server.access.keeper import CURRENT
from phaseline_server.door import FANOUT, WebSocket
from phaseline_server.fanout.broadcaster import Subscriber
from phaseline_server.fanout.frames import arrays
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.routes.session import Ended, Session
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]

_GOODBYE_CLOSE: Final = (GOING_AWAY, "the server ends; come back")
_LAST_WORDS_S: Final = 1.0
# Never sent: tells the sender to close. No message of the stream has this number and no channel.
_GOODBYE: Final = Message(0, "goodbye", "", frozenset(), b"")


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of this family."""
    partings = _Partings(services)

    @handlers.app.before_serving
    async def begin() -> None:
        current_app.nursery.start_soon(partings.run)  # type: ignore[attr-defined] # of Quart-Trio's

    @handlers.app.after_serving
    async def end() -> None:
        partings.scope.cancel()

    async def serve(make: Callable[[Services, Subscriber, trio.Nursery], _Client]) -> None:
        with services.tracker.log.subscribe(()) as subscriber:
            async with trio.open_nursery() as nursery:
                client = make(services, subscriber, nursery)
                partings.clients.add(client)
                if not client.session.granted:
                    nursery.start_soon(client.insist)
                try:
                    await client.run()
                finally:
                    partings.clients.discard(client)
                    services.clients.remove(client.session.client)
                nursery.cancel_scope.cancel()

    async def ws() -> None:
        socket: WebSocket | None = (websocket.scope.get("extensions") or {}).get(FANOUT, {}).get("socket")
        if socket is None:
            await serve(_Relayed)
            return
        access = CURRENT.get()

        async def serve_directly() -> None:
            CURRENT.set(access)  # this task is the door's
            await serve(partial(_Direct, socket))

        socket.take_over(serve_directly, services.settings.queue)
        await websocket.accept()

    handlers.add("websocket", ws)

    @handlers
    async def no_upgrade() -> Response:
        text = "this address speaks WebSocket; connect with ws://, or poll the other routes"
        answer = json_answer({"success": False, "error": text, "code": "UPGRADE_REQUIRED"}, 426)
        answer.headers["Upgrade"] = "websocket"
        return answer


class _Client:
    """One connected client."""

    def __init__(self, services: Services, subscriber: Subscriber, nursery: trio.Nursery) -> None:
        self._subscriber = subscriber
        self._nursery = nursery
        self.session = Session(services, subscriber, nursery.start_soon)

    async def run(self) -> None:
        """Serve the client until it leaves, falls behind, or the server ends."""
        raise NotImplementedError

    def part(self, code: int, reason: str) -> None:
        """Close behind all that is queued."""
        raise NotImplementedError

    async def insist(self) -> None:
        """Close if nobody shows a token in time."""
        try:
            await self.session.wait_granted()
        except Ended as end:
            self.part(end.code, str(end))


class _Direct(_Client):
    """One whose frames go straight to its socket and come straight from there: no task stands in between."""

    def __init__(self, socket: WebSocket, services: Services, subscriber: Subscriber, nursery: trio.Nursery) -> None:
        super().__init__(services, subscriber, nursery)
        self._socket = socket

    async def run(self) -> None:
        self._subscriber.attach(self._socket)
        self.session.welcome()
        while frames := await self._socket.receive():
            try:
                await self.session.take(frames)
            except Ended as end:
                self.part(end.code, str(end))
            if not self._socket.idle:
                # Who does not take its answers is not listened to either.
                await self._socket.wait_flushed()

    def part(self, code: int, reason: str) -> None:
        self._subscriber.flush()
        self._socket.close(code, reason)


class _Relayed(_Client):
    """One whose frames are relayed by Quart, through a memory channel: any ASGI server can do that."""

    _farewell = _GOODBYE_CLOSE

    async def run(self) -> None:
        await websocket.accept()
        self.session.welcome()
        self._nursery.start_soon(self._receive)
        try:
            await self._send()
        except SlowSubscriber as error:
            await websocket.close(SLOW, str(error)[:120])

    async def _receive(self) -> None:
        try:
            while True:
                frame: object = await websocket.receive()
                # Quart makes None of a binary one that is empty.
                await self.session.take([frame if isinstance(frame, str | bytes) else b""])
        except Ended as end:
            self.part(end.code, str(end))

    async def _send(self) -> None:
        while True:
            messages = await self._subscriber.receive_batch(self.session.coalesce_s)
            ends = _GOODBYE in messages
            if ends:
                messages = messages[: messages.index(_GOODBYE)]
            payloads = (message.payload for message in messages)
            for frame in arrays(payloads) if self.session.batch else payloads:
                await websocket.send(frame.decode())
            if ends:
                await websocket.close(*self._farewell)
                return

    def part(self, code: int, reason: str) -> None:
        self._farewell = (code, reason)
        self._subscriber.put(_GOODBYE)


class _Partings:
    """Lets every client hear how the runs end when the server does, then has it told goodbye."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.clients: set[_Client] = set()
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        """Wait for the end; to be cancelled where it does not come by the door."""
        with self.scope:
            await self._services.door.closing.wait()
            with trio.move_on_after(_LAST_WORDS_S):
                await self._services.runs.wait_over()
            async with trio.open_nursery() as nursery:
                for client in tuple(self.clients):
                    nursery.start_soon(self._part, client)

    async def _part(self, client: _Client) -> None:
        with trio.move_on_after(_LAST_WORDS_S):
            await client.session.wait_settled()
        client.part(*_GOODBYE_CLOSE)
