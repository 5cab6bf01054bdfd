"""One client's connection: hypercorn's server of one connection, with our deadlines and a reliable end.

Hypercorn's own has four faults for our use:

- A client that stops reading keeps a task forever, because sends are shielded from cancellation.
- A canceled connection stays open.
- A response sent before the request is completely read is lost, because a TCP reset follows.
- The idle time-out is never set, because Quart-Trio cancels the task that sets it when a response is complete.
"""

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from math import inf

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState

from phaseline_server.door.app_tasks import AppTasks
from phaseline_server.door.counts import Counts, Late
from phaseline_server.door.handshake import Ends
from phaseline_server.door.limits import Limits
from phaseline_server.door.outgoing import Spawn
from phaseline_server.door.pings import Pings
from phaseline_server.door.protocol import Http1Protocol
from phaseline_server.door.websocket import WebSocket

__all__ = ["Connection", "Shared"]

_PIECE = 65_536  # bytes sent or received at a time
_TIMED_OUT = 408
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close discards what is unsent and resets


@dataclass(frozen=True, slots=True)
class Shared:
    """Objects shared by all connections of a door.

    Attributes:
        limits: Limits of sizes and times.
        spawn: Starts a task, which must end soon after its connection.
        pings: Sends pings to the WebSocket clients.
        counts: Counters of rejected and closed connections.
    """

    limits: Limits
    spawn: Spawn
    pings: Pings
    counts: Counts


class Connection(TCPServer):
    """One connection. `run` returns when both sides are done, and closes it."""

    protocol: Http1Protocol  # type: ignore[assignment] # hypercorn's own also speaks HTTP/2
    stream: trio.SocketStream  # type: ignore[assignment] # hypercorn's own also speaks TLS

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        state: LifespanState,
        stream: trio.SocketStream,
        shared: Shared,
        ends: Ends,
    ) -> None:
        super().__init__(app, config, context, state, stream)  # type: ignore[arg-type] # TLS, as above
        self._shared = shared
        self._ends = ends
        self._limits = shared.limits
        self._websocket: WebSocket | None = None
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._deadline = inf  # of the next read, in seconds of Trio's clock
        self._idle = True  # between two requests
        self._begun = False  # a part of the next request's head was received
        self._sent_all = False

    async def run(self) -> None:
        """Serve the connection.

        Raises:
            Exception: Any error that the client caused in h11, wsproto, hypercorn or the app.
        """
        try:
            with self._scope:
                await self._serve_http()
                if self._websocket is not None:
                    await self._websocket.run(self.app, self._ends, self.state)
                    if (code := self._websocket.broken_by) is not None:
                        self._shared.counts.broken[code] += 1
                    if (late := self._websocket.late) is not None:
                        self._shared.counts.late[late] += 1
        finally:
            self.stream.socket.close()

    async def _serve_http(self) -> None:
        """Serve requests until the connection ends or is upgraded to a WebSocket."""
        async with AppTasks() as self._task_group:
            self.protocol = Http1Protocol(
                self._shared.counts.malformed,
                self.app,
                self.config,
                self.context,
                self._task_group,
                ConnectionState(self.state),
                self._ends.secure,
                self._ends.client,
                self._ends.server,
                self.protocol_send,
            )
            self._wait_until(trio.current_time() + self._limits.head_seconds)
            await self._read_data()
        handshake = self.protocol.upgrade
        if handshake is not None:
            # Release the HTTP objects, to save memory: there may be many WebSockets, and they live long.
            del self.protocol, self.idle_task, self._task_group
            shared = self._shared
            self._websocket = WebSocket(self.stream, handshake, shared.limits, spawn=shared.spawn, pings=shared.pings)

    async def protocol_send(self, event: Event) -> None:
        """Handle an event of the protocol: bytes to send, the end, or a change between idle and busy."""
        if isinstance(event, RawData):
            if not await self._send(event.data):
                self.abort()
                self._end_soon()
                await self.protocol.handle(Closed())
        elif isinstance(event, Closed):
            self._send_end()
            await self.protocol.handle(Closed())
        elif isinstance(event, Updated):
            # Without a checkpoint, because the task of the finished request may already be canceled.
            self._idle = event.idle
            self._begun = event.idle and self.protocol.has_more
            idle_seconds = self._limits.head_seconds if self._begun else self._limits.idle_seconds
            self._wait_until(trio.current_time() + idle_seconds if event.idle else inf)

    def leave(self) -> None:
        """Close a WebSocket with 1001; do nothing for HTTP."""
        if self._websocket is not None:
            self._websocket.leave()

    def leave_if_idle(self) -> None:
        """Close the connection if no request is being served."""
        if self._idle and self._websocket is None:
            self._wait_until(-inf)

    def abort(self) -> None:
        """Close the socket, even if a task is sending or receiving on it.

        This is synchronous, because it must also end a send that is shielded from cancellation.
        """
        if self._websocket is not None:
            self._websocket.cut()
        if self.send_lock.locked():
            # The client does not read. Without a reset, the kernel would keep trying to send the rest.
            with suppress(OSError):
                self.stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _RESET)
        self.stream.socket.close()

    def cancel(self) -> None:
        """Abort the connection and cancel the app's calls for it."""
        self.abort()
        self._scope.cancel()

    async def _read_data(self) -> None:
        while data := await self._receive():
            if self._sent_all:
                continue
            if self._idle and not self._begun:
                self._begun = True
                self._wait_until(trio.current_time() + self._limits.head_seconds)
            await self.protocol.handle(RawData(data))
            if self.protocol.upgrade is not None:
                return
        if self._reading.cancelled_caught and self._begun and not self._sent_all:
            await self.protocol.refuse(_TIMED_OUT)
        elif not self._sent_all:
            await self.protocol.handle(RawData(b""))
        await self.protocol.handle(Closed())
        self._end_soon()

    async def _receive(self) -> bytes:
        """Return data from the client; empty at its end, after an error, or when the deadline has passed."""
        with (
            trio.CancelScope(deadline=self._deadline) as self._reading,
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            # h11 checks the size of a head only while it is incomplete, so read at most one head's size at a time.
            return bytes(await self.stream.receive_some(self._limits.head if self._idle else _PIECE))
        return b""

    async def _send(self, data: bytes) -> bool:
        """Send all of `data`, and return whether that succeeded.

        Sending is shielded from cancellation: after half a chunk, the client could not parse anything more.
        """
        await trio.lowlevel.checkpoint()
        if not self.send_lock.locked():
            # The socket usually accepts all data at once, and waiting for it first costs more than the write.
            try:
                sent = os.write(self.stream.socket.fileno(), data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return False
            if sent == len(data):
                return True
            data = data[sent:]
        # The lock is also inside the shield, because a part may already be written.
        with trio.CancelScope(shield=True), memoryview(data) as view:
            async with self.send_lock:
                for start in range(0, len(data), _PIECE):
                    with trio.move_on_after(self._limits.write_seconds) as limit:
                        try:
                            await self.stream.send_all(view[start : start + _PIECE])
                        except (trio.BrokenResourceError, trio.ClosedResourceError):
                            return False
                    if limit.cancelled_caught:
                        self._shared.counts.late[Late.WRITE] += 1
                        return False
        return True

    def _send_end(self) -> None:
        """Shut down our direction of the connection, and close the connection soon."""
        self._sent_all = True
        with suppress(OSError):
            self.stream.socket.shutdown(trio.socket.SHUT_WR)
        self._end_soon()

    def _end_soon(self) -> None:
        """Limit the remaining time, in which the client reads the rest and the app notices the end."""
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._limits.linger_seconds)

    def _wait_until(self, deadline: float) -> None:
        self._deadline = deadline
        self._reading.deadline = deadline

    async def _close(self) -> None:
        """Never called: `run` closes the connection."""
        raise NotImplementedError

    async def _idle_timeout(self) -> None:
        """Never called: the reader has its own deadlines."""
        raise NotImplementedError

    async def _initiate_server_close(self) -> None:
        """Never called, like `_idle_timeout`."""
        raise NotImplementedError
