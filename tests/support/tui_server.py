"""A WebSocket server for tests of the link: acts like a Phaseline server, or misbehaves on request."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket
from wsproto.utilities import LocalProtocolError

__all__ = ["GREETING", "PlayedServer"]

Json = dict[str, Any]
GREETING: Json = {"type": "connection_established", "client_id": "c1", "epoch": "e1", "protocol": 1}


_epochs = itertools.count(1)


class _Guarded:
    """A nursery in which a ping during a close only ends that connection; in the library, it would end all.

    Accepted connections are also closed: at the server's end, the library leaves connections open that have not yet
    sent a request, and their clients would wait for an answer.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start_soon(self, task: Callable[..., Any], *args: Any) -> None:
        self._nursery.start_soon(self._run, task, args)

    async def _run(self, task: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            await task(*args)
        except* LocalProtocolError:
            pass
        finally:
            for stream in (each for each in args if isinstance(each, trio.abc.Stream)):
                await trio.aclose_forcefully(stream)


class PlayedServer:
    """Runs in a separate thread between `__enter__` and `__exit__`; sends what the test sets.

    Args:
        jobs: the jobs of the snapshot; may be changed while it runs.
        greeting: the first message, or None for none.
        mute: whether nothing at all is answered after the greeting.
        status: reject the handshake with this HTTP status.
        port: 0 for any free one.
    """

    def __init__(
        self,
        jobs: Sequence[Json] = (),
        *,
        greeting: Json | str | bytes | None = GREETING,
        mute: bool = False,
        status: int | None = None,
        port: int = 0,
    ) -> None:
        self.jobs = list(jobs)
        self.port = port
        self.accepted = 0
        self.received: list[Json] = []
        # Each has its own log.
        self._greeting = GREETING | {"epoch": f"e{next(_epochs)}"} if greeting is GREETING else greeting
        self._mute = mute
        self._status = status
        self.goodbyes: list[int] = []
        """The close codes that clients sent."""
        self._connected: set[WebSocketConnection] = set()
        self._open: dict[WebSocketConnection, trio.Event] = {}
        """The subscribed client, and the event that is set when it disconnects."""
        self._thread = threading.Thread(target=trio.run, args=(self._main,), name="played server")
        self._listening = threading.Event()
        self._subscribed = threading.Event()
        self._gone = threading.Event()
        self._pinged = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(60), "the server does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def wait_subscribed(self) -> None:
        """Wait until a client has subscribed since the last call."""
        assert self._subscribed.wait(60), "no client subscribed"
        self._subscribed.clear()

    def send(self, *messages: Json | str | bytes) -> None:
        """Send messages to all clients, in this order."""
        self._call(partial(self._broadcast, messages))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Send a close frame to every client."""
        self._call(partial(self._close, code, reason))

    def cut(self) -> None:
        """Cut every connection without a close frame."""
        self._call(self._cut)

    def greet_again(self) -> None:
        """Send any message, even when mute."""
        self._call(self._greet_again)

    def wait_pinged(self) -> None:
        """Wait until a client has sent a ping."""
        assert self._pinged.wait(60), "no client sent a ping"

    def wait_gone(self) -> None:
        """Wait until a client has disconnected."""
        assert self._gone.wait(60), "no client disconnected"

    def _call(self, action: Callable[[], Any]) -> None:
        trio.from_thread.run(action, trio_token=self._token)

    async def _broadcast(self, messages: Sequence[Json | str | bytes]) -> None:
        for websocket in list(self._open):
            for message in messages:
                data = message if isinstance(message, str | bytes) else msgspec.json.encode(message).decode()
                with contextlib.suppress(ConnectionClosed):
                    await websocket.send_message(data)

    async def _greet_again(self) -> None:
        for websocket in self._connected:
            await websocket.send_message("{}")

    async def _close(self, code: int, reason: str | None) -> None:
        for websocket, over in list(self._open.items()):
            # A ping during the close ends the library's reader, and then this would never return.
            self._nursery.start_soon(websocket.aclose, code, reason)
            await over.wait()

    async def _cut(self) -> None:
        for websocket in list(self._open):
            await trio.aclose_forcefully(websocket._stream)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._nursery = cast("trio.Nursery", _Guarded(nursery))
                serve = partial(
                    serve_websocket, self._handle, "127.0.0.1", self.port, None, handler_nursery=self._nursery
                )
                server = await nursery.start(serve)
                self.port = server.port
                self._listening.set()

    async def _handle(self, request: WebSocketRequest) -> None:
        if self._status is not None or request.path != "/ws":
            await request.reject(self._status or 404, body=b"<html>no</html>")
            return
        websocket = await request.accept()
        self.accepted += 1
        self._connected.add(websocket)
        try:
            if self._greeting is not None:
                greeting = self._greeting
                await websocket.send_message(
                    greeting if isinstance(greeting, str | bytes) else msgspec.json.encode(greeting).decode()
                )
            while True:
                await self._answer(websocket, msgspec.json.decode(await websocket.get_message()))
        except ConnectionClosed as closed:
            self.goodbyes.append(closed.reason.code if closed.reason else 0)
        finally:
            self._open.pop(websocket, trio.Event()).set()
            self._connected.discard(websocket)
            self._gone.set()

    async def _answer(self, websocket: WebSocketConnection, message: Json) -> None:
        self.received.append(message)
        if self._mute:
            if message["type"] == "subscribe":
                self._subscribed.set()
            return
        if message["type"] == "ping":
            self._pinged.set()
            await websocket.send_message('{"type":"pong","server_time":"2026-11-09T18:38:02Z"}')
        elif message["type"] == "subscribe":
            confirmed = {"type": "subscription_confirmed", "channels": message["channels"]}
            snapshot = {"type": "snapshot", "epoch": "e1", "seq": 7, "jobs": self.jobs}
            # Before the snapshot: a client that has it receives everything that a test sends next.
            self._open[websocket] = trio.Event()
            for each in (confirmed, snapshot):
                await websocket.send_message(msgspec.json.encode(each).decode())
            self._subscribed.set()
