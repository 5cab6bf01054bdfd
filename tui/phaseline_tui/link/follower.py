"""Follow one server: connect, subscribe, receive, and reconnect with exponential backoff."""

import random
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from phaseline.client.failures import blocks_websockets
from phaseline.protocol import PROTOCOL, UNAUTHORIZED
from phaseline_tui.link.batch_buffer import BatchBuffer, Wake
from phaseline_tui.link.credentials import Credentials
from phaseline_tui.link.handshake import shake_hands, subscribe, while_open
from phaseline_tui.link.http import send_request
from phaseline_tui.link.log_claim import LogClaim
from phaseline_tui.link.log_comparison import any_differs
from phaseline_tui.link.polling import PollingSession
from phaseline_tui.link.receiver import Receiver
from phaseline_tui.link.silence import Silence
from phaseline_tui.link.ssh import Forward, open_forward
from phaseline_tui.link.streams import Dialer, Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, LinkStatus, Reply
from phaseline_tui.model.failures import LinkError

__all__ = ["Follower"]

_PING: Final = '{"type":"ping"}'
_REQUEST_S: Final = 30.0
_SSH_REPORT_S: Final = 0.5
"""Time for ssh to report why a connection ended."""


class Follower:
    """Follows one server, or one of several that share a log. Used only in the Trio thread."""

    def __init__(
        self,
        server: ServerAddress,
        label: str,
        dialer: Dialer,
        wake: Wake,
        logs: "dict[str, Follower] | None" = None,
    ) -> None:
        """Prepare the connection; `follow` opens it.

        Args:
            server: Server to connect to; of several, the first one, and the next one when that fails.
            label: Name of the server in batches.
            dialer: Opens the streams.
            wake: Called whenever `buffer` has something to deliver.
            logs: The follower of each log by its epoch, of all connections.
        """
        self._servers = server.members
        self.server = self._servers[0]
        self.buffer = BatchBuffer(label)
        self._dialer = dialer
        self._timing = dialer.timing
        self._wake = wake
        self._credentials = Credentials(self.server, dialer.access)
        self._stopping = False
        self._step = trio.CancelScope()
        self._status = LinkStatus(LinkState.CONNECTING)
        self._forward: Forward | None = None
        self._silence = Silence(dialer.timing, self._note_stale, self._drop)
        self._claim = LogClaim(self, {} if logs is None else logs)
        self._receiver = Receiver(self.buffer)

    def retry(self) -> None:
        """Reconnect at once if the connection is lost or stale."""
        if self._status.state in {LinkState.WAITING, LinkState.STOPPED}:
            self._step.cancel()
        elif self._status.state is LinkState.STALE:
            self._drop()

    def end(self) -> None:
        """Close the connection with a close frame; `follow` returns then."""
        self._stopping = True
        self._step.cancel()

    async def request(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Send an HTTP request to the server, through the same SSH forward if there is one.

        Raises:
            LinkError: No complete response was received.
        """
        socket = self._forward.socket if self._forward is not None else None
        if self._forward is not None and socket is None:
            raise LinkError(f"{self.server.url} is not connected")
        stream = await self._dialer.open(self.server, socket)
        try:
            return await send_request(stream, self.server, method, path, self._credentials.headers, _REQUEST_S, body)
        finally:
            await trio.aclose_forcefully(stream)

    async def follow(self) -> None:
        """Connect, and reconnect whenever the connection is lost, until `end` is called."""
        async with open_forward(self.server, self._timing) as self._forward:
            await self._keep_connected()

    async def _keep_connected(self) -> None:
        attempts = 0
        reason = ""
        while not self._stopping:
            self._set_status(LinkStatus(LinkState.CONNECTING, reason, time.monotonic()))
            last_received = self._silence.last_received
            try:
                await self._connect_once()
                failure = None
            except LinkError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 (an error must not affect the other servers)
                failure = failures.broken(self.server, error)
            reason = failure.reason if failure is not None else ""
            attempts = attempts + 1 if self._silence.last_received == last_received else 0
            if failure is None:
                continue
            self._turn()
            if attempts % len(self._servers) and not failure.final:
                continue  # the next server may answer
            if await self._wait(failure, attempts):
                attempts = 0

    def _turn(self) -> None:
        """Use the next server from now on."""
        if len(self._servers) > 1:
            self.server = self._servers[(self._servers.index(self.server) + 1) % len(self._servers)]
            self._credentials = Credentials(self.server, self._dialer.access)

    async def _wait(self, failure: LinkError, attempts: int) -> bool:
        """Wait before the next attempt. Return True if `retry` or `end` cut the wait short."""
        with trio.CancelScope() as self._step:
            now = time.monotonic()
            if failure.final:
                self._set_status(LinkStatus(LinkState.STOPPED, failure.reason, now))
                if not self._stopping:
                    await trio.sleep_forever()
            pause = min(self._timing.last_retry, self._timing.first_retry * 2.0 ** min(max(0, attempts - 1), 16))
            pause = self._timing.first_retry if failure.soon else pause
            # Jitter, so that the clients of a restarted server don't all reconnect at the same moment.
            pause *= random.uniform(0.75, 1.0)  # noqa: S311 (not a secret)
            self._set_status(LinkStatus(LinkState.WAITING, failure.reason, now, now + pause))
            if not self._stopping:
                await trio.sleep(pause)
        return self._step.cancelled_caught

    async def _connect_once(self) -> None:
        """Connect and receive until `retry` or `end` stops it.

        Raises:
            LinkError: The connection could not be opened or was lost.
        """
        stream: Stream | None = None
        with trio.CancelScope() as self._step:
            if not self._stopping:
                stream = await self._open_stream()
        if stream is None:
            return
        last_received = self._silence.last_received
        try:
            await self._run_connection(stream)
        except LinkError:
            # A forward accepts every connection, and closes it at once if no server is at its far end; ssh reports why.
            if self._forward is not None and self._silence.last_received == last_received:
                with trio.move_on_after(_SSH_REPORT_S):
                    raise await self._forward.wait_refusal() from None
            raise
        finally:
            await trio.aclose_forcefully(stream)

    async def _open_stream(self) -> Stream:
        if self._forward is None:
            return await self._dialer.open(self.server)
        socket = await self._forward.open()
        try:
            return await self._dialer.open(self.server, socket)
        except LinkError:
            self._forward.close()
            raise

    async def _run_connection(self, stream: Stream) -> None:
        """Run a WebSocket connection over `stream` until it closes or is cancelled."""
        failure: LinkError | None = None
        blocked = False
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._receive(nursery, stream)
                except LinkError as error:
                    failure = error
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            rejection = group.exceptions[0]
            failure = self._credentials.rejected(getattr(rejection, "status_code", 0))
            blocked = blocks_websockets(rejection)
        except* Exception as group:  # noqa: BLE001 (the library may raise anything on invalid input)
            blocked = failure is None and blocks_websockets(group)
            failure = failure or failures.broken(self.server, group)
        if blocked:
            await self._poll(failure)
        elif failure is not None:
            raise failure

    async def _poll(self, failure: LinkError | None) -> None:
        """Receive by HTTP requests until the connection is lost or cancelled.

        Raises:
            LinkError: The connection was lost. If none could be opened, this is `failure`.
        """
        session = PollingSession(self.server, self._credentials, self._open_stream)
        try:
            with trio.CancelScope() as self._step:
                if self._stopping:
                    return
                try:
                    with trio.fail_after(self._timing.first_message):
                        protocol = await session.open()
                except (LinkError, trio.TooSlowError) as error:
                    raise (error if isinstance(error, LinkError) and error.final else failure or error) from None
                self._begin(protocol, polling=True)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._silence.watch, trio.lowlevel.checkpoint)
                    while True:
                        await self._take(await session.receive())
                        await self.buffer.wait_for_room()
        finally:
            with trio.move_on_after(self._timing.closing, shield=True):
                await session.aclose()

    async def _receive(self, nursery: trio.Nursery, stream: Stream) -> None:
        websocket: WebSocketConnection | None = None
        try:
            # Ending the connection cancels only this scope; tasks in the nursery can still send the close frame.
            with trio.CancelScope() as self._step:
                if self._stopping:
                    return
                websocket = await shake_hands(
                    nursery, stream, self.server, self._timing, self._credentials.headers, self._forward
                )
                protocol = await subscribe(websocket, self.server, self._credentials, self._timing, self._take_log)
                if protocol is None:
                    self._stopping = True
                    self._set_status(LinkStatus(LinkState.MERGED, since=time.monotonic()))
                    return
                self._begin(protocol)
                nursery.start_soon(while_open, self._silence.watch, partial(websocket.send_message, _PING))
                nursery.start_soon(while_open, self._measure_delay, websocket.ping)
                nursery.start_soon(self._compare_logs)
                while True:
                    await self._take(await websocket.get_message())
                    await self.buffer.wait_for_room()
        except ConnectionClosed as closed:
            reason = closed.reason
            code, text = (reason.code, reason.reason) if reason else (1006, None)
            if code == UNAUTHORIZED:
                raise self._credentials.denied(text or f"close code {code}") from None
            raise failures.closed(self.server, code, text) from None
        finally:
            self._claim.leave()
            if websocket is not None:
                with trio.move_on_after(self._timing.closing):
                    await websocket.aclose()

    def _take_log(self, epoch: str) -> bool:
        """Follow the log of this epoch, unless another follower does; then add this server to that one's servers."""
        other = self._claim.take(epoch, self.server.url)
        if other is not None and self.server.ssh is None and other.server.ssh is None:
            other.add_servers(self._servers)
        return other is None

    async def _compare_logs(self) -> None:
        """Name a server of this connection that has another log."""
        others = [server for server in self._servers if server != self.server]
        if await any_differs(others, self._dialer, self._claim) and self._status.state is LinkState.CONNECTED:
            self._set_status(LinkStatus(LinkState.CONNECTED, self._claim.notice, self._status.since))

    def add_servers(self, servers: Iterable[ServerAddress]) -> None:
        """Use these servers, too, if the present one fails."""
        self._servers = tuple(dict.fromkeys((*self._servers, *servers)))

    def _begin(self, protocol: int, *, polling: bool = False) -> None:
        """Begin to receive from a server that uses `protocol`."""
        if protocol != PROTOCOL:
            raise failures.wrong_protocol(self.server, protocol)
        self._receiver.begin()
        since = self._silence.end()
        self._set_status(LinkStatus(LinkState.CONNECTED, self._claim.notice, since, polling=polling))

    def _note_stale(self, last_received: float) -> None:
        if self._status.state is LinkState.CONNECTED:
            reason = f"no data from {self.server.url}"
            self._set_status(LinkStatus(LinkState.STALE, reason, last_received, polling=self._status.polling))

    async def _measure_delay(self, ping: Callable[[], Awaitable[None]]) -> None:
        """Measure the delay by WebSocket pings, which the server answers ahead of its queued messages."""
        while True:
            sent = time.monotonic()
            await ping()
            self.buffer.delay = time.monotonic() - sent
            self._wake()
            await trio.sleep(self._timing.ping)

    def _drop(self) -> None:
        """Drop a connection without data, and its ssh, which may not have noticed yet."""
        if self._forward is not None:
            self._forward.close()
        self._step.cancel()

    async def _take(self, data: str | bytes) -> None:
        """Add the messages of a text frame to the buffer."""
        now = self._silence.end()
        if self._status.state is LinkState.STALE:
            self._set_status(LinkStatus(LinkState.CONNECTED, self._claim.notice, now, polling=self._status.polling))
        first_snapshot = await self._receiver.take(data, now, self._credentials)
        self._wake(urgent=first_snapshot)

    def _set_status(self, status: LinkStatus) -> None:
        self._status = self.buffer.status = status
        self._wake(urgent=True)
