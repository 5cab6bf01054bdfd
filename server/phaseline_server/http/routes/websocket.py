"""`/ws`: the stream over a WebSocket, whose frames pass directly through the door's socket."""

from typing import Final

import trio
from quart import Response, current_app, websocket

from phaseline.protocol import GOING_AWAY
from phaseline_server.access.keeper import CURRENT
from phaseline_server.door import FANOUT, WebSocket
from phaseline_server.fanout.direct import DirectSubscriber
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.routes.session import Ended, Session
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]

_GOODBYE: Final = (GOING_AWAY, "the server is shutting down; reconnect")
_CLOSING_S: Final = 1.0
# No close frame arrived, or one for the end of the process or the page.
_LOST: Final = frozenset({None, 1006, GOING_AWAY})


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of this family."""
    shutdown = _Shutdown(services)

    @handlers.app.before_serving
    async def begin() -> None:
        current_app.nursery.start_soon(shutdown.run)  # type: ignore[attr-defined] # of Quart-Trio's

    @handlers.app.after_serving
    async def end() -> None:
        shutdown.scope.cancel()

    async def serve(socket: WebSocket) -> None:
        with services.tracker.log.attach(socket) as subscriber:
            async with trio.open_nursery() as nursery:
                client = _Client(socket, services, subscriber, nursery)
                shutdown.clients.add(client)
                if not client.session.granted:
                    nursery.start_soon(client.insist)
                try:
                    if shutdown.begun:  # this app was replaced while the client connected
                        client.close(*_GOODBYE)
                    else:
                        await client.run()
                finally:
                    shutdown.clients.discard(client)
                    client.session.leave(lost=client.lost)
                nursery.cancel_scope.cancel()

    async def ws() -> None:
        socket: WebSocket = websocket.scope["extensions"][FANOUT]["socket"]
        access = CURRENT.get()

        async def serve_directly() -> None:
            CURRENT.set(access)  # this task is the door's
            await serve(socket)

        socket.take_over(serve_directly, services.settings.queue)
        await websocket.accept()

    handlers.add("websocket", ws)

    @handlers
    async def no_upgrade() -> Response:
        text = "this route needs a WebSocket; connect with ws://, or use GET /events or /ws/poll"
        answer = json_answer({"success": False, "error": text, "code": "UPGRADE_REQUIRED"}, 426)
        answer.headers["Upgrade"] = "websocket"
        return answer


class _Client:
    """One connected client. Its frames are read from its socket and written to it directly."""

    def __init__(
        self, socket: WebSocket, services: Services, subscriber: DirectSubscriber, nursery: trio.Nursery
    ) -> None:
        self._socket = socket
        self._subscriber = subscriber
        self.session = Session(services, subscriber, nursery.start_soon)

    async def run(self) -> None:
        """Serve the client until it disconnects, reads too slowly, or the server shuts down."""
        self.session.welcome()
        while frames := await self._socket.receive():
            try:
                await self.session.take(frames)
            except Ended as end:
                self.close(end.code, str(end))
            if not self._socket.idle:
                # While a client does not read its answers, its frames are not read: back-pressure.
                await self._socket.wait_flushed()

    def close(self, code: int, reason: str) -> None:
        """Close the connection after all queued messages."""
        self._subscriber.flush()
        self._socket.close(code, reason)

    async def insist(self) -> None:
        """Close the connection if no token arrives in time."""
        try:
            await self.session.wait_granted()
        except Ended as end:
            self.close(end.code, str(end))

    @property
    def lost(self) -> bool:
        """Whether the client disconnected without a regular close frame."""
        return self._socket.code in _LOST


class _Shutdown:
    """At shutdown, sends every client the ends of the picture runs, then closes its connection.

    Attributes:
        clients: The clients that are connected.
        begun: Whether the connections are being closed.
        scope: Cancels `run`.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.begun = False
        self.clients: set[_Client] = set()
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        """Wait for the shutdown. Cancel this if the door does not announce one."""
        with self.scope:
            await self._services.closing.wait()
            with trio.move_on_after(_CLOSING_S):
                await self._services.runs.wait_over()
            self.begun = True
            async with trio.open_nursery() as nursery:
                for client in tuple(self.clients):
                    nursery.start_soon(self._close, client)
            self._services.disconnected.set()

    async def _close(self, client: _Client) -> None:
        with trio.move_on_after(_CLOSING_S):
            await client.session.wait_settled()
        client.close(*_GOODBYE)
