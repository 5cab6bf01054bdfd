"""Follow one server: connect, subscribe, receive, and reconnect with exponential backoff."""

import random
import time
from typing import Final

import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from phaseline.protocol import PROTOCOL, UNAUTHORIZED
from phaseline_tui.link.batch_buffer import BatchBuffer, Wake
from phaseline_tui.link.handshake import shake_hands, while_open
from phaseline_tui.link.http import send_request
from phaseline_tui.link.snapshots import received_frames
from phaseline_tui.link.ssh import Forward, open_forward
from phaseline_tui.link.streams import Dialer, Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, LinkStatus, Reply
from phaseline_tui.model.decoding import decode
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.frames import SNAPSHOTS, ConnectionEstablished, Frame, Pong, Problem

__all__ = ["Follower"]

_SUBSCRIBE: Final = msgspec.json.encode(
    {
        "type": "subscribe",
        "channels": ["jobs", "photos", "system"],
        "snapshot": True,
        "batch": True,  # messages in one frame cost a tenth of messages in single frames
        "coalesce_ms": 100,
    }
).decode()
_PING: Final = '{"type":"ping"}'
_REQUEST_S: Final = 30.0
_SSH_REPORT_S: Final = 0.5
"""Time for ssh to report why a connection ended."""
_SLEPT_S: Final = 5.0
"""If the wall clock gains this much on the monotonic clock, the machine was suspended."""
_ACCESS_ERRORS: Final = frozenset({"UNAUTHORIZED", "FORBIDDEN", "MISDIRECTED", "FORBIDDEN_ORIGIN"})


class Follower:
    """Follows one server. Used only in the Trio thread."""

    def __init__(self, server: ServerAddress, label: str, dialer: Dialer, wake: Wake) -> None:
        """Prepare the connection; `follow` opens it.

        Args:
            server: Server to connect to.
            label: Name of the server in batches.
            dialer: Opens the streams.
            wake: Called whenever `buffer` has something to deliver.
        """
        self.server = server
        self.buffer = BatchBuffer(label)
        self._dialer = dialer
        self._timing = dialer.timing
        self._wake = wake
        token = dialer.access.token_for(server.label)
        # Never send a token over an unencrypted connection.
        self._token = token if server.private else ""
        self._withheld = bool(token) and not server.private
        self._stopping = False
        self._step = trio.CancelScope()
        self._status = LinkStatus(LinkState.CONNECTING)
        self._forward: Forward | None = None
        self._last_received = 0.0
        self._snapshot_pending = False  # the first snapshot of this connection

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

    async def request(self, method: str, path: str) -> Reply:
        """Send an HTTP request to the server, through the same SSH forward if there is one.

        Raises:
            LinkError: No complete response was received.
        """
        socket = self._forward.socket if self._forward is not None else None
        if self._forward is not None and socket is None:
            raise LinkError(f"{self.server.url} is not connected")
        stream = await self._dialer.open(self.server, socket)
        try:
            return await send_request(stream, self.server, method, path, dict(self._authorization()), _REQUEST_S)
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
            last_received = self._last_received
            try:
                await self._connect_once()
                failure = None
            except LinkError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 (an error must not affect the other servers)
                failure = failures.broken(self.server, error)
            reason = failure.reason if failure is not None else ""
            attempts = attempts + 1 if self._last_received == last_received else 0
            if failure is not None and await self._wait(failure, attempts):
                attempts = 0

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
        last_received = self._last_received
        try:
            await self._run_connection(stream)
        except LinkError:
            # A forward accepts every connection, and closes it at once if no server is at its far end; ssh reports why.
            if self._forward is not None and self._last_received == last_received:
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
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._receive(nursery, stream)
                except LinkError as error:
                    failure = error
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            rejection = group.exceptions[0]
            failure = self._handshake_rejected(getattr(rejection, "status_code", 0))
        except* Exception as group:  # noqa: BLE001 (the library may raise anything on invalid input)
            failure = failure or failures.broken(self.server, group)
        if failure is not None:
            raise failure

    def _handshake_rejected(self, status: int) -> LinkError:
        return failures.rejected(self.server, status, token=bool(self._token), withheld=self._withheld)

    async def _receive(self, nursery: trio.Nursery, stream: Stream) -> None:
        websocket: WebSocketConnection | None = None
        try:
            # Ending the connection cancels only this scope; tasks in the nursery can still send the close frame.
            with trio.CancelScope() as self._step:
                if self._stopping:
                    return
                websocket = await shake_hands(
                    nursery, stream, self.server, self._timing, dict(self._authorization()), self._forward
                )
                await self._subscribe(websocket)
                for task in (self._watch_silence, self._measure_delay):
                    nursery.start_soon(while_open, task, websocket)
                while True:
                    await self._take(await websocket.get_message())
                    await self.buffer.wait_for_room()
        except ConnectionClosed as closed:
            reason = closed.reason
            code, text = (reason.code, reason.reason) if reason else (1006, None)
            if code == UNAUTHORIZED:
                raise self._access_denied(text or f"close code {code}") from None
            raise failures.closed(self.server, code, text) from None
        finally:
            if websocket is not None:
                with trio.move_on_after(self._timing.closing):
                    await websocket.aclose()

    def _authorization(self) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self._token}")] if self._token else []

    async def _subscribe(self, websocket: WebSocketConnection) -> None:
        """Send the token, check the server's first message, and subscribe."""
        if self._token:
            await websocket.send_message(msgspec.json.encode({"type": "auth", "token": self._token}).decode())
        frame: Frame | None = None
        try:
            with trio.fail_after(self._timing.first_message):
                first = await websocket.get_message()
                frame, _ = decode(first) if isinstance(first, str) else (None, 1)
        except trio.TooSlowError:
            raise failures.not_phaseline(self.server, "no message after the WebSocket handshake") from None
        if isinstance(frame, Problem):
            self._check_access(frame)
        if not isinstance(frame, ConnectionEstablished):
            raise failures.not_phaseline(self.server, "its first message is not connection_established")
        if frame.protocol != PROTOCOL:
            raise failures.wrong_protocol(self.server, frame.protocol or 0)
        await websocket.send_message(_SUBSCRIBE)
        self._last_received = time.monotonic()
        self._snapshot_pending = True
        self._set_status(LinkStatus(LinkState.CONNECTED, since=self._last_received))

    def _check_access(self, problem: Problem) -> None:
        """Raise if the server denies access; ignore other problems.

        Raises:
            LinkError: The token is missing, invalid or not sufficient.
        """
        if problem.code in _ACCESS_ERRORS:
            raise self._access_denied(problem.error or problem.code or "")

    def _access_denied(self, problem: str) -> LinkError:
        return failures.refused(self.server, problem, token=bool(self._token), withheld=self._withheld)

    async def _watch_silence(self, websocket: WebSocketConnection) -> None:
        """Send pings while no data arrives; mark the link stale after `Timing.stale`, drop it after `Timing.dead`."""
        timing = self._timing
        ahead = time.time() - time.monotonic()
        while True:
            await trio.sleep(min(timing.ping, timing.stale) / 3)
            now = time.monotonic()
            slept = time.time() - now - ahead >= _SLEPT_S
            ahead = time.time() - now
            last_received = self._last_received
            if slept:  # the connection may be dead; give a ping's answer only `Timing.open` seconds
                self._last_received = min(last_received, now - timing.dead + timing.open)
            silence = now - self._last_received
            if silence >= timing.dead:
                self._drop()
                return
            if silence >= timing.stale and self._status.state is LinkState.CONNECTED:
                self._set_status(LinkStatus(LinkState.STALE, f"no data from {self.server.url}", last_received))
            if silence >= timing.ping:
                with trio.move_on_after(timing.ping):
                    await websocket.send_message(_PING)

    async def _measure_delay(self, websocket: WebSocketConnection) -> None:
        """Measure the delay by WebSocket pings, which the server answers ahead of its queued messages."""
        while True:
            sent = time.monotonic()
            await websocket.ping()
            self.buffer.delay = time.monotonic() - sent
            self._wake()
            await trio.sleep(self._timing.ping)

    def _drop(self) -> None:
        """Drop a connection without data, and its ssh, which may not have noticed yet."""
        if self._forward is not None:
            self._forward.close()
        self._step.cancel()

    async def _take(self, data: str | bytes) -> None:
        """Decode a text frame and add its messages to the buffer."""
        now = self._last_received = time.monotonic()
        buffer = self.buffer
        if self._status.state is LinkState.STALE:
            self._set_status(LinkStatus(LinkState.CONNECTED, since=now))
        frames, ignored = await received_frames(data, now, buffer.origin)
        buffer.ignored += ignored
        buffer.count(len(frames), len(data))
        kinds = set(map(type, frames))
        for frame in frames if Problem in kinds else ():
            if isinstance(frame, Problem):
                self._check_access(frame)
        buffer.add(frames if Pong not in kinds else [frame for frame in frames if not isinstance(frame, Pong)])
        first_snapshot = self._snapshot_pending and not SNAPSHOTS.isdisjoint(kinds)
        self._snapshot_pending = self._snapshot_pending and not first_snapshot
        self._wake(urgent=first_snapshot)

    def _set_status(self, status: LinkStatus) -> None:
        self._status = self.buffer.status = status
        self._wake(urgent=True)
