"""One WebSocket, spoken by ourselves: the ASGI server of one socket, and its fast path.

An app that knows nothing of the fast path has ASGI's `receive` and `send`. One that does finds the WebSocket itself
in `scope["extensions"]["phaseline.fanout"]["socket"]`, and may take it over: then it receives all messages that have
come at once, and writes frames, made once for many, straight to the socket.
"""

from contextlib import suppress
from typing import Any, Final

import trio
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, LifespanState, WebsocketDisconnectEvent
from wsproto.frame_protocol import CloseReason

from phaseline_server.door.app_tasks import call_app
from phaseline_server.door.endpoint import Endpoint
from phaseline_server.door.handshake import Ends, Handshake
from phaseline_server.door.outgoing import Outgoing, Spawn
from phaseline_server.door.pings import Pings
from phaseline_server.door.settings import Limits
from phaseline_server.frames import text_frame

__all__ = ["FANOUT", "WebSocket"]

FANOUT: Final = "phaseline.fanout"

_PIECE = 65_536  # bytes received at a time


class WebSocket:
    """One WebSocket, from its handshake to its end. Only `run` is the door's, `leave` and `ping` too."""

    def __init__(
        self, stream: trio.SocketStream, handshake: Handshake, limits: Limits, *, spawn: Spawn, pings: Pings
    ) -> None:
        self._stream = stream
        self._handshake: Handshake | None = handshake
        self._limits = limits
        self._pings = pings
        self._endpoint: Endpoint | None = None  # None until the app has accepted
        self._out = Outgoing(stream, limits, spawn, self._lose)
        self._answered = trio.Event()  # by the app, one way or the other
        self._gone: trio.Event | None = None  # made when somebody waits for it
        self._code: int | None = None  # that the app is told, once it is over
        self._announced = False  # to the app
        self._taken = self._closed_by_app = False
        self._refused = False
        self._unread: list[str | bytes] = []  # by an app that does not take over; the latest first
        self._heard = True  # since the last ping
        self._reading = False

    # ------------------------------------------------------------------ the door's side

    @property
    def broken_by(self) -> int | None:
        """The code of the close, if the client broke a rule or a bound."""
        return self._endpoint.close_code if self._endpoint is not None and self._endpoint.failed else None

    async def run(self, app: AppWrapper, ends: Ends, state: LifespanState) -> None:
        """Call `app`, and see to an orderly end. The socket is closed then."""
        assert self._handshake is not None  # noqa: S101 (run once)
        extensions = {FANOUT: {"socket": self}}
        scope = self._handshake.scope(
            client=ends.client, server=ends.server, secure=ends.secure, state=state, extensions=extensions
        )
        try:
            await call_app(app, scope, self._asgi_receive, self._asgi_send)
            if self._endpoint is None and not self._refused:
                self._refuse(500)
            self.close(CloseReason.INTERNAL_ERROR)
            await self._finish()
        finally:
            self._pings.remove(self)
            self._out.end()

    def leave(self) -> None:
        """Say goodbye (1001, going away) to client and app, if the app has not done so."""
        self.close(CloseReason.GOING_AWAY)

    def ping(self) -> None:
        """Send a ping; cut off a client that nothing was heard of since the one before."""
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if not self._heard and self._reading:
            self._out.cut()
            return
        self._heard = False
        if self._out.idle:  # or else there is a deadline for what waits
            self._out.write(self._endpoint.ping())

    def cut(self) -> None:
        """Close the socket under whoever is sending or receiving."""
        self._out.cut()

    async def _finish(self) -> None:
        """Let the client have what is queued, and answer our close."""
        await self._out.wait_flushed()
        if not self._out.ended:
            if self._endpoint is None or self._endpoint.failed:
                with suppress(OSError):
                    self._stream.socket.shutdown(trio.socket.SHUT_WR)
            await self._wait_closed()

    async def _wait_closed(self) -> None:
        """Wait until both have closed, but not long; what the client still sends is read away.

        A reset would destroy our last words otherwise. RFC 6455 section 7.1.1 has the server close the connection
        as soon as both have closed.
        """
        endpoint = self._endpoint
        with trio.move_on_after(self._limits.linger_seconds):
            while not self._out.ended and not (endpoint is not None and endpoint.is_closed_by_both):
                await self._read()
                if endpoint is not None:
                    endpoint.messages.clear()

    # ------------------------------------------------------------------ the fast path

    @property
    def queued(self) -> int:
        """How many messages of the stream wait for the client."""
        return self._out.queued

    @property
    def idle(self) -> bool:
        """Whether nothing at all waits for the client."""
        return self._out.idle

    def take_over(self, most: int) -> None:
        """Have the app read and write by itself from now on, by the methods below; to be called before it accepts.

        Args:
            most: Counted messages that may wait for the client.
        """
        self._taken = True
        self._out.most = most
        self.write = self._out.write  # type: ignore[method-assign] # one call less for each frame
        self.wait_flushed = self._out.wait_flushed  # type: ignore[method-assign]

    async def receive(self) -> list[str | bytes]:
        """Return all messages that have come, at least one; none once the WebSocket is over."""
        endpoint = self._endpoint
        while endpoint is not None and self._code is None:
            if endpoint.messages:
                messages, endpoint.messages = endpoint.messages, []
                return messages
            if endpoint.close_code is not None or not await self._read():
                self._over(int(CloseReason.ABNORMAL_CLOSURE))
        await trio.lowlevel.checkpoint()
        return []

    def write(self, frames: bytes, count: int = 0) -> bool:
        """Send or queue frames: see `Outgoing.write`."""
        return self._out.write(frames, count)

    async def wait_flushed(self) -> None:
        """Wait until nothing waits for the client: see `Outgoing.wait_flushed`."""
        await self._out.wait_flushed()

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """Close, behind all that is queued; the app is told that it is over. Nothing if it is closed already.

        Args:
            code: See RFC 6455 section 7.4.
            reason: At most 123 bytes of it are sent.
            drop: Forget what is queued, but for what has been sent in part.
        """
        if self._endpoint is None or not self._endpoint.is_open:
            return
        if drop:
            self._out.drop()
        self._out.write(self._endpoint.close(code, reason))
        self._over(code)

    # ------------------------------------------------------------------ reading

    async def _read(self) -> bool:
        """Receive once; return whether something came."""
        self._reading = True
        try:
            data = await self._stream.receive_some(_PIECE)
        except trio.BrokenResourceError:
            data = b""
        except trio.ClosedResourceError:
            return False  # woken by `_over`, or by a close
        finally:
            self._reading = False
        if not data:
            self._out.cut()
            return False
        self._heard = True
        if self._endpoint is not None:
            self._feed(data)
        return True

    def _feed(self, data: bytes | bytearray) -> None:
        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 (called once it is open)
        endpoint.feed(bytes(data))
        if endpoint.close_code is not None:
            self._out.drop()
        if endpoint.replies:
            replies, endpoint.replies = endpoint.replies, b""
            self._out.write(bytes(replies))

    def _lose(self) -> None:
        """Note that the client is gone."""
        self._over(int(CloseReason.ABNORMAL_CLOSURE))

    def _over(self, code: int) -> None:
        """Note the end, and wake who waits for it."""
        if self._code is None:
            endpoint = self._endpoint
            self._code = code if endpoint is None or endpoint.close_code is None else endpoint.close_code
        self._answered.set()
        if self._gone is not None:
            self._gone.set()
        if self._reading and not self._out.ended:
            # A cancel scope would do, but costs more than all else for an idle connection, and at every read.
            trio.lowlevel.notify_closing(self._stream.socket)

    # ------------------------------------------------------------------ ASGI

    async def _asgi_receive(self) -> ASGIReceiveEvent:
        if not self._announced:
            self._announced = True
            await trio.lowlevel.checkpoint()
            return {"type": "websocket.connect"}
        await self._answered.wait()
        if self._closed_by_app:
            await self._wait_closed()
        elif self._taken:
            # The app's own reading may be in the middle of something when the client goes: it is not to be cancelled.
            if self._gone is None:
                self._gone = trio.Event()
            if self._code is None:
                await self._gone.wait()
        elif self._unread or await self._receive_more():
            message = self._unread.pop()
            text, data = (message, None) if isinstance(message, str) else (None, message)
            return {"type": "websocket.receive", "bytes": data, "text": text}
        await trio.lowlevel.checkpoint()
        code = self._code or int(CloseReason.ABNORMAL_CLOSURE)
        disconnect: WebsocketDisconnectEvent = {"type": "websocket.disconnect", "code": code}
        return disconnect

    async def _receive_more(self) -> bool:
        self._unread = (await self.receive())[::-1]
        return bool(self._unread)

    async def _asgi_send(self, message: Any) -> None:
        kind = message["type"]
        if self._code is not None or self._closed_by_app:
            pass  # a client that has left is no mistake of the app's
        elif self._endpoint is not None and kind == "websocket.send":
            await self._send(message)
            return
        elif self._endpoint is not None and kind == "websocket.close":
            if self._endpoint.is_open:
                self._out.write(self._endpoint.close(int(message.get("code") or 1000), message.get("reason") or ""))
            self._closed_by_app = True
        elif self._handshake is not None and kind == "websocket.accept":
            self._accept(message)
        elif self._handshake is not None and kind == "websocket.close":
            self._refuse(403)
        elif self._handshake is not None and kind == "websocket.http.response.start":
            self._out.write(self._handshake.refuse(int(message["status"]), list(message.get("headers", ()))))
            self._refused = True
        elif self._handshake is not None and kind == "websocket.http.response.body":
            more = message.get("more_body", False)
            self._out.write(self._handshake.body(bytes(message.get("body", b"")), last=not more))
            if not more:
                self._over(int(CloseReason.NORMAL_CLOSURE))
        else:
            raise ValueError(f"the message is {kind!a}; allowed: what ASGI has a WebSocket send in this state")
        # A route that sends in a loop would never be cancelled otherwise.
        await trio.lowlevel.checkpoint()

    async def _send(self, message: Any) -> None:
        data, endpoint = message.get("bytes"), self._endpoint
        if endpoint is None or not endpoint.is_open:
            await trio.lowlevel.checkpoint()
            return
        self._out.write(text_frame(message["text"].encode()) if data is None else endpoint.binary(bytes(data)))
        await self._out.wait_flushed()

    def _accept(self, message: Any) -> None:
        handshake = self._handshake
        assert handshake is not None  # noqa: S101 (its caller has looked)
        self._out.write(handshake.accept(message.get("subprotocol"), message.get("headers", ())))
        self._endpoint = Endpoint(self._limits)
        self._handshake = None
        self._answered.set()
        self._pings.add(self)
        if handshake.early:
            self._feed(handshake.early)

    def _refuse(self, status: int) -> None:
        assert self._handshake is not None  # noqa: S101 (its caller has looked)
        self._out.write(
            self._handshake.refuse(status, [(b"content-length", b"0")]) + self._handshake.body(b"", last=True)
        )
        self._refused = True
        self._over(int(CloseReason.NORMAL_CLOSURE))
