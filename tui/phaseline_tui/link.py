"""The connection to a server: Trio in a thread of its own, and the only module here that knows Trio.

It connects, subscribes, receives, decodes and merges; whoever made it gets at most ten batches a second, called
in this thread. A lost connection is opened again by itself, less and less eagerly; `stop` cancels and joins.
"""

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from phaseline_tui import reasons
from phaseline_tui.address import ServerAddress
from phaseline_tui.connection import Batch, LinkState, LinkStatus, Pace
from phaseline_tui.frames import (
    PROTOCOL,
    ConnectionEstablished,
    Frame,
    JobMessage,
    JobProgress,
    Pong,
    decode,
    decode_batch,
)
from phaseline_tui.reasons import Ended

__all__ = ["Link"]

_SUBSCRIBE: Final = msgspec.json.encode(
    {
        "type": "subscribe",
        "channels": ["jobs", "photos", "system"],
        "snapshot": True,
        "batch": True,  # Many messages in one frame cost a tenth of what they cost one by one.
        "coalesce_ms": 100,
    }
).decode()
_PING: Final = '{"type":"ping"}'
_MOST_BYTES: Final = 256 * 1024 * 1024
"""Of one message: a snapshot of ten thousand jobs has some thirty megabytes."""
_RECEIVE_BYTES: Final = 64 * 1024
_Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Link:
    """Follows one server from `start` to `stop`."""

    def __init__(self, server: ServerAddress, deliver: Callable[[Batch], object], pace: Pace | None = None) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            server: where to connect to.
            deliver: is called in the link's thread with each batch; must neither block nor raise.
            pace: the times to keep.
        """
        self.server = server
        self._deliver = deliver
        self._pace = pace or Pace()
        self._thread = threading.Thread(target=self._run, name=f"link to {server.authority}", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopping = False
        # The rest belongs to the Trio thread.
        self._whole = trio.CancelScope()
        self._step = trio.CancelScope()
        self._status = LinkStatus(LinkState.CONNECTING)
        self._heard = 0.0
        self._frames: list[Frame] = []
        self._progress_at: dict[str, int] = {}
        self._ignored = 0
        self._told: LinkStatus | None = None
        self._pending = trio.Event()

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def retry_now(self) -> None:
        """Try again at once if not connected, or if the connection is stale. Safe from any thread."""
        self._in_trio(self._retry)

    def stop(self) -> None:
        """End the connection and the thread; returns when both are gone. Safe to call twice, and before `start`."""
        self._stopping = True
        self._in_trio(self._end)
        if self._thread.ident is not None:
            self._thread.join()

    def _in_trio(self, call: Callable[[], object]) -> None:
        token = self._token
        if token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(call)

    # From here on: the Trio thread.

    def _retry(self) -> None:
        if self._status.state in {LinkState.WAITING, LinkState.STOPPED, LinkState.STALE}:
            self._step.cancel()

    def _end(self) -> None:
        self._whole.deadline = trio.current_time() + 2 * self._pace.goodbye
        self._step.cancel()

    def _run(self) -> None:
        trio.run(self._main)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        # `stop` sets the flag and then looks for the token; here it is the other way round: one sees the other.
        with self._whole:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._flush_regularly)
                await self._keep_connected()
                nursery.cancel_scope.cancel()

    async def _keep_connected(self) -> None:
        attempts = 0
        reason = ""
        while not self._stopping:
            self._say(LinkStatus(LinkState.CONNECTING, reason, time.monotonic()))
            heard = self._heard
            try:
                await self._connect_once()
            except Ended as ended:
                reason = ended.reason
                attempts = attempts + 1 if self._heard == heard else 0
                if await self._wait(ended, attempts):
                    attempts = 0
            else:
                reason = ""

    async def _wait(self, ended: Ended, attempts: int) -> bool:
        """Stay away for as long as is polite; return True if told to stop that."""
        with trio.CancelScope() as self._step:
            now = time.monotonic()
            if ended.final:
                self._say(LinkStatus(LinkState.STOPPED, ended.reason, now))
                await trio.sleep_forever()
            pause = min(self._pace.last_retry, self._pace.first_retry * 2.0 ** min(max(0, attempts - 1), 16))
            pause = self._pace.first_retry if ended.soon else pause
            # Jitter, so that all the terminals of a restarted server don't come back in the same instant.
            pause *= random.uniform(0.75, 1.0)  # noqa: S311  no secret
            self._say(LinkStatus(LinkState.WAITING, ended.reason, now, now + pause))
            if not self._stopping:
                await trio.sleep(pause)
        return self._step.cancelled_caught

    async def _connect_once(self) -> None:
        """Connect and follow the server. Return if told to end that.

        Raises:
            Ended: there is no connection, or no longer.
        """
        stream: _Stream | None = None
        with trio.CancelScope() as self._step:
            stream = await self._open_stream()
        if stream is None:
            return
        try:
            await self._speak(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def _open_stream(self) -> _Stream:
        """Connect over TCP, and TLS if asked."""
        server = self.server
        try:
            with trio.fail_after(self._pace.open):
                stream = await trio.open_tcp_stream(server.host, server.port)
                if not server.tls:
                    return stream
                context = ssl.create_default_context()
                tls = trio.SSLStream(stream, context, server_hostname=server.host, https_compatible=True)
                try:
                    await tls.do_handshake()
                except BaseException:
                    await trio.aclose_forcefully(tls)
                    raise
                return tls
        except trio.TooSlowError:
            raise reasons.silent(server) from None
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            raise reasons.unreachable(server, cause if isinstance(cause, OSError) else OSError(str(error))) from error
        except OSError as error:
            raise reasons.unreachable(server, error) from error

    async def _speak(self, stream: _Stream) -> None:
        """Speak WebSocket over `stream` until it ends, or until told to end it."""
        ended: Ended | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._follow(nursery, stream)
                except Ended as error:
                    ended = error
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            rejection = group.exceptions[0]
            ended = reasons.rejected(self.server, getattr(rejection, "status_code", 0))
        except* Exception as group:  # noqa: BLE001  whatever a foreign server makes the library raise, the link goes on
            ended = ended or reasons.broken(self.server, group)
        if ended is not None:
            raise ended

    async def _follow(self, nursery: trio.Nursery, stream: _Stream) -> None:
        websocket: WebSocketConnection | None = None
        try:
            # Only this is cancelled when the connection is to end: the tasks in the nursery still say goodbye.
            with trio.CancelScope() as self._step:
                if self._stopping:
                    return
                websocket = await self._shake_hands(nursery, stream)
                await self._greet(websocket)
                nursery.start_soon(self._watch_silence, websocket)
                while True:
                    self._take(await websocket.get_message())
        except ConnectionClosed as closed:
            reason = closed.reason
            code, words = (reason.code, reason.reason) if reason else (1006, None)
            raise reasons.closed(self.server, code, words) from None
        finally:
            if websocket is not None:
                with trio.move_on_after(self._pace.goodbye):
                    await websocket.aclose()

    async def _shake_hands(self, nursery: trio.Nursery, stream: _Stream) -> WebSocketConnection:
        server = self.server
        try:
            with trio.fail_after(self._pace.open):
                return await wrap_client_stream(
                    nursery,
                    stream,
                    server.authority,
                    server.path,
                    max_message_size=_MOST_BYTES,
                    receive_buffer_size=_RECEIVE_BYTES,
                    message_queue_size=64,
                )
        except trio.TooSlowError:
            raise reasons.not_phaseline(server, "no answer to the WebSocket handshake") from None

    async def _greet(self, websocket: WebSocketConnection) -> None:
        """Check who is there, and subscribe."""
        try:
            with trio.fail_after(self._pace.open):
                first = await websocket.get_message()
        except trio.TooSlowError:
            raise reasons.not_phaseline(self.server, "it says nothing after the WebSocket handshake") from None
        frame, _ = decode(first) if isinstance(first, str) else (None, 1)
        if not isinstance(frame, ConnectionEstablished):
            raise reasons.not_phaseline(self.server, "it does not greet with connection_established")
        if frame.protocol != PROTOCOL:
            raise reasons.wrong_protocol(self.server, frame.protocol or 0)
        await websocket.send_message(_SUBSCRIBE)
        self._heard = time.monotonic()
        self._say(LinkStatus(LinkState.CONNECTED, since=self._heard))

    async def _watch_silence(self, websocket: WebSocketConnection) -> None:
        """Ask for a sign of life when it is quiet; call the link stale, and at last give it up, when none comes."""
        pace = self._pace
        while True:
            await trio.sleep(min(pace.quiet, pace.stale) / 3)
            silence = time.monotonic() - self._heard
            if silence >= pace.dead:
                self._step.cancel()
                return
            if silence >= pace.stale and self._status.state is LinkState.CONNECTED:
                reason = f"nothing heard from {self.server.url}"
                self._say(LinkStatus(LinkState.STALE, reason, self._heard))
            if silence >= pace.quiet:
                with trio.move_on_after(pace.quiet):
                    await websocket.send_message(_PING)

    def _take(self, data: str | bytes) -> None:
        """Decode a frame and put it to the others of this beat."""
        self._heard = time.monotonic()
        if self._status.state is LinkState.STALE:
            self._say(LinkStatus(LinkState.CONNECTED, since=self._heard))
        frames, ignored = decode_batch(data) if isinstance(data, str) else ([], 1)
        self._ignored += ignored
        if ignored:
            self._pending.set()
        for frame in frames:
            if not isinstance(frame, Pong):
                self._merge(frame)
                self._pending.set()

    def _merge(self, frame: Frame) -> None:
        """Add a frame; of progress in the same phase of the same job, only the newest of a beat counts."""
        if isinstance(frame, JobProgress):
            at = self._progress_at.get(frame.job_id)
            before = self._frames[at] if at is not None else None
            if at is not None and isinstance(before, JobProgress) and before.stage == frame.stage:
                self._frames[at] = frame
                return
            self._progress_at[frame.job_id] = len(self._frames)
        elif isinstance(frame, JobMessage):
            self._progress_at.pop(frame.job_id, None)
        else:
            self._progress_at.clear()
        self._frames.append(frame)

    def _say(self, status: LinkStatus) -> None:
        self._status = self._told = status
        self._pending.set()

    async def _flush_regularly(self) -> None:
        while True:
            await self._pending.wait()
            self._pending = trio.Event()
            batch = Batch(tuple(self._frames), time.monotonic(), self._told, self._ignored)
            self._frames, self._told, self._ignored = [], None, 0
            self._progress_at.clear()
            self._deliver(batch)
            await trio.sleep(self._pace.batch)
