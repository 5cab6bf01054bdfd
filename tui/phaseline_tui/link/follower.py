"""One server, followed: connect, subscribe, receive, and open a lost connection again, less and less eagerly."""

import random
import time
from typing import Final

import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from phaseline.protocol import PROTOCOL, UNAUTHORIZED
from phaseline_tui.link.beat import Beat, Wake
from phaseline_tui.link.handshake import shake_hands, while_open
from phaseline_tui.link.http import ask
from phaseline_tui.link.ssh import Forward, open_forward
from phaseline_tui.link.streams import Dialer, Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, LinkStatus, Reply
from phaseline_tui.model.decoding import decode, decode_batch
from phaseline_tui.model.failures import Ended
from phaseline_tui.model.frames import ConnectionEstablished, Frame, Pong, Problem, Snapshot

__all__ = ["Follower"]

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
_REQUEST_S: Final = 30.0
_LISTEN_S: Final = 0.5
"""How long ssh may take to say why a connection ended."""
_SLEPT_S: Final = 5.0
"""By so much the wall clock runs ahead of the monotonic one when the machine has slept."""
_REFUSALS: Final = frozenset({"UNAUTHORIZED", "FORBIDDEN", "MISDIRECTED", "FORBIDDEN_ORIGIN"})


class Follower:
    """Follows one server; all of it in the Trio thread."""

    def __init__(self, server: ServerAddress, label: str, dialer: Dialer, wake: Wake) -> None:
        """Prepare.

        Args:
            server: where to connect to.
            label: what the server is called in batches.
            dialer: opens the streams.
            wake: is called whenever `beat` has something to take, and told whether that is urgent.
        """
        self.server = server
        self.beat = Beat(label)
        self._dialer = dialer
        self._pace = dialer.pace
        self._wake = wake
        token = dialer.access.token_for(server.label)
        # A token is shown to nobody on the way.
        self._token = token if server.private else ""
        self._kept_back = bool(token) and not server.private
        self._stopping = False
        self._step = trio.CancelScope()
        self._status = LinkStatus(LinkState.CONNECTING)
        self._forward: Forward | None = None
        self._heard = 0.0
        self._awaited = False  # the jobs that there are, since it is connected

    def retry(self) -> None:
        """Try again at once if not connected, or if the connection is stale."""
        if self._status.state in {LinkState.WAITING, LinkState.STOPPED}:
            self._step.cancel()
        elif self._status.state is LinkState.STALE:
            self._give_up()

    def end(self) -> None:
        """End the connection politely, and `follow` with it."""
        self._stopping = True
        self._step.cancel()

    async def request(self, method: str, path: str) -> Reply:
        """Send an HTTP request on the same way.

        Raises:
            Ended: there was no whole answer.
        """
        socket = self._forward.socket if self._forward is not None else None
        if self._forward is not None and socket is None:
            raise Ended(f"{self.server.url} is not connected")
        stream = await self._dialer.open(self.server, socket)
        try:
            return await ask(stream, self.server, method, path, dict(self._authorization()), _REQUEST_S)
        finally:
            await trio.aclose_forcefully(stream)

    async def follow(self) -> None:
        """Stay connected until `end`."""
        async with open_forward(self.server, self._pace) as self._forward:
            await self._keep_connected()

    async def _keep_connected(self) -> None:
        attempts = 0
        reason = ""
        while not self._stopping:
            self._say(LinkStatus(LinkState.CONNECTING, reason, time.monotonic()))
            heard = self._heard
            try:
                await self._connect_once()
                ended = None
            except Ended as error:
                ended = error
            except Exception as error:  # noqa: BLE001  whatever goes wrong here concerns this server alone
                ended = failures.broken(self.server, error)
            reason = ended.reason if ended is not None else ""
            attempts = attempts + 1 if self._heard == heard else 0
            if ended is not None and await self._wait(ended, attempts):
                attempts = 0

    async def _wait(self, ended: Ended, attempts: int) -> bool:
        """Stay away for as long as is polite; return True if told to stop that."""
        with trio.CancelScope() as self._step:
            now = time.monotonic()
            if ended.final:
                self._say(LinkStatus(LinkState.STOPPED, ended.reason, now))
                if not self._stopping:
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
        stream: Stream | None = None
        with trio.CancelScope() as self._step:
            if not self._stopping:
                stream = await self._open_stream()
        if stream is None:
            return
        heard = self._heard
        try:
            await self._speak(stream)
        except Ended:
            # A forward takes every connection, and closes it at once if there is nothing at its far end: ssh knows why.
            if self._forward is not None and self._heard == heard:
                with trio.move_on_after(_LISTEN_S):
                    raise await self._forward.wait_complaint() from None
            raise
        finally:
            await trio.aclose_forcefully(stream)

    async def _open_stream(self) -> Stream:
        if self._forward is None:
            return await self._dialer.open(self.server)
        socket = await self._forward.open()
        try:
            return await self._dialer.open(self.server, socket)
        except Ended:
            self._forward.close()
            raise

    async def _speak(self, stream: Stream) -> None:
        """Speak WebSocket over `stream` until it ends, or until told to end it."""
        ended: Ended | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._listen(nursery, stream)
                except Ended as error:
                    ended = error
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            rejection = group.exceptions[0]
            ended = self._refused(getattr(rejection, "status_code", 0))
        except* Exception as group:  # noqa: BLE001  whatever a foreign server makes the library raise, the link goes on
            ended = ended or failures.broken(self.server, group)
        if ended is not None:
            raise ended

    def _refused(self, status: int) -> Ended:
        return failures.rejected(self.server, status, token=bool(self._token), kept_back=self._kept_back)

    async def _listen(self, nursery: trio.Nursery, stream: Stream) -> None:
        websocket: WebSocketConnection | None = None
        try:
            # Only this is cancelled when the connection is to end: the tasks in the nursery still say goodbye.
            with trio.CancelScope() as self._step:
                if self._stopping:
                    return
                websocket = await shake_hands(
                    nursery, stream, self.server, self._pace, dict(self._authorization()), self._forward
                )
                await self._greet(websocket)
                for task in (self._feel_pulse, self._measure_delay):
                    nursery.start_soon(while_open, task, websocket)
                while True:
                    self._take(await websocket.get_message())
        except ConnectionClosed as closed:
            reason = closed.reason
            code, words = (reason.code, reason.reason) if reason else (1006, None)
            if code == UNAUTHORIZED:
                raise self._no_entry(words or f"close code {code}") from None
            raise failures.closed(self.server, code, words) from None
        finally:
            if websocket is not None:
                with trio.move_on_after(self._pace.goodbye):
                    await websocket.aclose()

    def _authorization(self) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self._token}")] if self._token else []

    async def _greet(self, websocket: WebSocketConnection) -> None:
        """Show the token, check who is there, and subscribe."""
        if self._token:
            await websocket.send_message(msgspec.json.encode({"type": "auth", "token": self._token}).decode())
        frame: Frame | None = None
        try:
            with trio.fail_after(self._pace.greet):
                first = await websocket.get_message()
                frame, _ = decode(first) if isinstance(first, str) else (None, 1)
        except trio.TooSlowError:
            raise failures.not_phaseline(self.server, "it says nothing after the WebSocket handshake") from None
        if isinstance(frame, Problem):
            self._heed(frame)
        if not isinstance(frame, ConnectionEstablished):
            raise failures.not_phaseline(self.server, "it does not greet with connection_established")
        if frame.protocol != PROTOCOL:
            raise failures.wrong_protocol(self.server, frame.protocol or 0)
        await websocket.send_message(_SUBSCRIBE)
        self._heard = time.monotonic()
        self._awaited = True
        self._say(LinkStatus(LinkState.CONNECTED, since=self._heard))

    def _heed(self, problem: Problem) -> None:
        """Leave for good when the server refuses the token.

        Raises:
            Ended: it does.
        """
        if problem.code in _REFUSALS:
            raise self._no_entry(problem.error or problem.code or "")

    def _no_entry(self, said: str) -> Ended:
        return failures.refused(self.server, said, token=bool(self._token), kept_back=self._kept_back)

    async def _feel_pulse(self, websocket: WebSocketConnection) -> None:
        """Ask for a sign of life when it is quiet; call the link stale, and at last give it up, when none comes."""
        pace = self._pace
        ahead = time.time() - time.monotonic()
        while True:
            await trio.sleep(min(pace.ping, pace.stale) / 3)
            now = time.monotonic()
            slept = time.time() - now - ahead >= _SLEPT_S
            ahead = time.time() - now
            heard = self._heard
            if slept:  # Nobody knows what became of the connection: an answer says it soon, or there is none.
                self._heard = min(heard, now - pace.dead + pace.open)
            silence = now - self._heard
            if silence >= pace.dead:
                self._give_up()
                return
            if silence >= pace.stale and self._status.state is LinkState.CONNECTED:
                self._say(LinkStatus(LinkState.STALE, f"nothing heard from {self.server.url}", heard))
            if silence >= pace.ping:
                with trio.move_on_after(pace.ping):
                    await websocket.send_message(_PING)

    async def _measure_delay(self, websocket: WebSocketConnection) -> None:
        """Measure how long a ping of WebSocket's own takes: no queue of messages stands before its answer."""
        while True:
            sent = time.monotonic()
            await websocket.ping()
            self.beat.delay = time.monotonic() - sent
            self._wake()
            await trio.sleep(self._pace.ping)

    def _give_up(self) -> None:
        """Leave a connection over which nothing comes; ssh too, which may not have noticed yet."""
        if self._forward is not None:
            self._forward.close()
        self._step.cancel()

    def _take(self, data: str | bytes) -> None:
        """Decode a frame and put it to the others of this beat."""
        now = self._heard = time.monotonic()
        beat = self.beat
        if self._status.state is LinkState.STALE:
            self._say(LinkStatus(LinkState.CONNECTED, since=now))
        frames, ignored = decode_batch(data) if isinstance(data, str) else ([], 1)
        beat.ignored += ignored
        beat.count(len(frames), len(data))
        kinds = set(map(type, frames))
        for frame in frames if Problem in kinds else ():
            if isinstance(frame, Problem):
                self._heed(frame)
        beat.add(frames if Pong not in kinds else [frame for frame in frames if not isinstance(frame, Pong)])
        come = self._awaited and Snapshot in kinds
        self._awaited = self._awaited and not come
        self._wake(urgent=come)

    def _say(self, status: LinkStatus) -> None:
        self._status = self.beat.status = status
        self._wake(urgent=True)
