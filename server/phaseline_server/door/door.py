"""The accept loop: it accepts and rejects connections, and closes all of them at shutdown."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIFramework, LifespanState
from hypercorn.utils import parse_socket_addr

from phaseline.errors import shown
from phaseline_server.door.connection import Connection, Shared
from phaseline_server.door.counts import Counts
from phaseline_server.door.crowd import Crowd, Full
from phaseline_server.door.handshake import Ends
from phaseline_server.door.lifespan import running
from phaseline_server.door.limits import Limits, hypercorn_config
from phaseline_server.door.listen import url_of
from phaseline_server.door.pings import Pings
from phaseline_server.door.tls import Tls
from phaseline_server.errors import StartupFailed

__all__ = ["Door", "Statistics"]

_log = structlog.get_logger(__name__)

_GRACE = 1.5  # seconds for requests to finish
_PARTING = 0.3  # seconds for a client to answer the close of its WebSocket
_APP_ENDS = 1.0  # seconds for the app to end
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds to wait after an error of accept


ServeClient = Callable[[trio.SocketStream], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Counters of a door."""

    connections: int
    """Open connections."""
    accepted: int
    failed: int
    """Connections ended by an error."""
    counts: Counts
    """Rejected and cut-off connections."""


class Door:
    """Serves one app on any number of listeners, once.

    Attributes:
        closing: Set when the door begins to close. Long-lived routes (a WebSocket, an event stream, a long poll) also
            wait for it, send what is left and end.
    """

    def __init__(self, limits: Limits | None = None, tls: Tls | None = None) -> None:
        self.closing = trio.Event()
        self._limits = limits or Limits()
        self._tls = tls
        self._crowd = Crowd(self._limits.connections, self._limits.connections_per_address)
        self._config = hypercorn_config(self._limits)
        self._context = WorkerContext(max_requests=None)
        self._counts = Counts()
        self._pings = Pings(self._limits.pong_seconds)
        self._connections: set[Connection] = set()
        self._accepted = self._failed = 0
        self._full = False  # the last connection was rejected, and that is logged
        self._emptied = trio.Event()  # set when no connection is left; replaced for each wait
        self._closed = trio.Event()
        self._serving = False
        self._grace = _GRACE
        self._last_call = trio.CancelScope()
        self._not_started: StartupFailed | None = None

    def statistics(self) -> Statistics:
        """Return the counters of connections."""
        return Statistics(
            connections=len(self._connections),
            accepted=self._accepted,
            failed=self._failed,
            counts=self._counts,
        )

    async def serve(
        self,
        app: ASGIFramework,
        listeners: Sequence[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start `app` (its lifespan), serve it on `listeners`, and return when the door is closed.

        Start it with `nursery.start`, which returns the bound URLs (`http://127.0.0.1:43211`) once clients are
        accepted. Cancellation acts like `close`: clients get the default grace period first.

        Raises:
            RuntimeError: The door is serving, or has served.
            StartupFailed: The app did not start.
        """
        if self._serving:
            raise RuntimeError("this Door was already used; create a new one")
        self._serving = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, app, listeners, task_status)
                try:
                    await self.closing.wait()
                finally:
                    self.closing.set()  # if canceled: `_serve` is shielded and waits for this
            if self._not_started is not None:
                raise self._not_started  # outside the nursery, so that it is not wrapped in a group
        finally:
            for listener in listeners:
                listener.socket.close()
            self._closed.set()

    async def close(self, grace: float = _GRACE) -> None:
        """Stop accepting, give connections `grace` seconds to finish, close them, and wait until all are closed.

        WebSockets that are still open are closed with 1001. A client that does not answer or does not read is cut off.
        A second call can only shorten the grace period.
        """
        self._grace = min(self._grace, grace) if self.closing.is_set() else grace
        self._last_call.deadline = min(self._last_call.deadline, trio.current_time() + self._grace)
        self.closing.set()
        if self._serving:
            await self._closed.wait()

    async def _serve(
        self, app: ASGIFramework, listeners: Sequence[trio.SocketListener], task_status: trio.TaskStatus[list[str]]
    ) -> None:
        try:
            with trio.CancelScope() as shutdown:
                async with (
                    running(app, _APP_ENDS) as state,
                    trio.open_nursery() as pings,
                    trio.open_nursery() as nursery,
                ):
                    # From here on, a cancellation from outside arrives as `closing`, for an orderly shutdown.
                    shutdown.shield = True
                    shared = Shared(self._limits, partial(self._spawn, nursery), self._pings, self._counts)
                    serve_client = partial(self._serve_client, ASGIWrapper(app), state, shared)
                    pings.start_soon(self._pings.run)
                    for listener in listeners:
                        nursery.start_soon(self._accept, listener, serve_client, nursery)
                    task_status.started([url_of(listener, secure=self._tls is not None) for listener in listeners])
                    await self.closing.wait()
                    for listener in listeners:
                        listener.socket.close()
                    await self._close_all()
                    pings.cancel_scope.cancel()
        except StartupFailed as error:
            self._not_started = error
            self.closing.set()

    def _spawn(self, nursery: trio.Nursery, act: Callable[[], Awaitable[None]]) -> None:
        nursery.start_soon(self._guard, act)

    async def _accept(self, listener: trio.SocketListener, serve_client: ServeClient, nursery: trio.Nursery) -> None:
        """Accept clients until `listener` is closed. After an error, wait and try again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                stream = await listener.accept()  # skips clients that disconnected while they waited
            except trio.ClosedResourceError:
                return
            except OSError as error:
                if pause == _FIRST_PAUSE:
                    _log.warning("accept failed; retrying", url=url_of(listener), error=shown(str(error)))
                with trio.move_on_after(pause):
                    await self.closing.wait()
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
                nursery.start_soon(serve_client, stream)

    async def _serve_client(
        self, app: AppWrapper, state: LifespanState, shared: Shared, stream: trio.SocketStream
    ) -> None:
        """Serve one client and close its socket."""
        ends = _ends_of(stream)
        if self.closing.is_set() or ends is None:
            stream.socket.close()
            return
        address = ends.client[0] if ends.client else ""
        full = self._crowd.enter(address)
        if full is not None:
            await self._reject(stream, full)
            return
        self._full = False
        self._accepted += 1
        try:
            if self._tls is None:
                await self._serve_one(app, state, shared, ends, stream)
            else:
                secure = ends._replace(secure=True)
                serve_one = partial(self._serve_one, app, state, shared, secure)
                await self._guard(partial(self._tls.serve, stream, self.closing, serve_one))
        finally:
            self._crowd.leave(address)

    async def _serve_one(
        self, app: AppWrapper, state: LifespanState, shared: Shared, ends: Ends, stream: trio.SocketStream
    ) -> None:
        connection = Connection(app, self._config, self._context, state, stream, shared, ends)
        self._connections.add(connection)
        try:
            await self._guard(connection.run)
        finally:
            self._connections.remove(connection)
            if not self._connections:
                self._emptied.set()

    async def _guard(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run `act` for one connection. Its errors are logged and do not affect other connections."""
        try:
            await act()
        except Exception as error:  # noqa: BLE001 (h11, wsproto, hypercorn and the app can raise anything)
            self._failed += 1
            _log_failure(error)
        except BaseExceptionGroup as group:
            passing, errors = group.split(_is_passing)
            if errors is not None:
                self._failed += 1
                _log_failure(errors)
            if passing is not None:
                raise passing from None

    async def _reject(self, stream: trio.SocketStream, full: Full) -> None:
        self._counts.refused[full.status] += 1
        if not self._full:
            _log.warning("connection rejected", reason=full)
        self._full = True
        try:
            if self._tls is None:
                with trio.move_on_after(_PARTING), suppress(trio.BrokenResourceError):
                    await stream.send_all(full.answer)
        finally:
            stream.socket.close()

    async def _close_all(self) -> None:
        """Close every connection: wait for the grace period, then close WebSockets, then abort the rest."""
        self._last_call.deadline = min(self._last_call.deadline, trio.current_time() + self._grace)
        await self._context.terminated.set()
        for connection in self._connections:
            connection.leave_if_idle()
        with self._last_call:
            await self._wait_empty()
        for connection in self._connections:
            connection.leave()
        with trio.move_on_after(_PARTING):
            await self._wait_empty()
        if self._connections:
            _log.info("aborting connections", count=len(self._connections))
        for connection in self._connections:
            connection.cancel()

    async def _wait_empty(self) -> None:
        await trio.lowlevel.checkpoint()  # lets connections that were just accepted be counted
        while self._connections:
            self._emptied = trio.Event()
            await self._emptied.wait()


def _ends_of(stream: trio.SocketStream) -> Ends | None:
    """Return the addresses of both ends of `stream`, or None if the client has disconnected."""
    socket = stream.socket
    try:
        client = parse_socket_addr(socket.family, socket.getpeername())
        return Ends(client, parse_socket_addr(socket.family, socket.getsockname()))
    except OSError:
        return None


def _is_passing(error: BaseException) -> bool:
    """Return whether the guard must re-raise `error`: Cancelled, KeyboardInterrupt and the like."""
    return not isinstance(error, (Exception, BaseExceptionGroup))


def _log_failure(error: BaseException) -> None:
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    _log.warning("connection failed", error=type(first).__name__, text=shown(str(first)))
    _log.debug("traceback of the failed connection", exc_info=error)
