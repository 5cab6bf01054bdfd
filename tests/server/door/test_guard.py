"""An error in a connection is logged briefly and only ends that connection; cancellation and Ctrl-C propagate."""

from collections.abc import Callable

import h11
import pytest
import trio
import trio.testing
import wsproto.utilities
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from structlog.testing import capture_logs

from phaseline_server.door import Door, open_listeners
from phaseline_server.door.protocol import Http1Protocol
from tests.support.door_clients import FRESH, open_door, plain_app


def unicode_error() -> Exception:
    return UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range")


ERRORS: dict[str, Callable[[], Exception]] = {
    "h11": lambda: h11.LocalProtocolError("can't handle event type Response"),
    "wsproto": lambda: wsproto.utilities.LocalProtocolError("Connection already closed."),
    "assertion": AssertionError,
    "unicode": unicode_error,
    "key": lambda: KeyError("\x1b[31m\n"),
    "group": lambda: ExceptionGroup("many", [ExceptionGroup("inner", [unicode_error()]), AssertionError()]),
    "OSError": lambda: OSError(113, "No route to host"),
    "memory": MemoryError,
}


def raising(make: Callable[[], BaseException]) -> Callable[..., object]:
    async def handle(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise make()

    return handle


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_closes_only_its_own_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as opened:
        with monkeypatch.context() as broken, capture_logs() as logs:
            broken.setattr(Http1Protocol, "handle", raising(ERRORS[name]))
            assert await opened.ask() == b""
            await opened.wait_empty()
        short, traceback = logs
        assert (short["log_level"], traceback["log_level"]) == ("warning", "debug")
        assert short["text"].isprintable()
        assert isinstance(traceback["exc_info"], Exception)
        assert opened.door.statistics().failed == 1
        assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")


async def test_a_cancellation_grouped_with_an_error_is_reraised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail_while_cancelled(*_: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while it was cancelled")

    async with open_door() as opened:
        monkeypatch.setattr(Http1Protocol, "handle", fail_while_cancelled)
        stream = await opened.connect()
        async with stream:
            await stream.send_all(FRESH)
            with capture_logs() as logs:
                await opened.door.close(0)
        assert [entry["error"] for entry in logs if "error" in entry] == ["ValueError"]


async def test_ctrl_c_ends_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Http1Protocol, "handle", raising(KeyboardInterrupt))
    door = Door()
    listeners = await open_listeners(["127.0.0.1:0"], explicit=True)

    async def ask() -> None:
        async with await trio.open_tcp_stream(*listeners[0].socket.getsockname()) as stream:
            await stream.send_all(FRESH)
            await trio.sleep_forever()

    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(door.serve, plain_app(door), listeners)
            nursery.start_soon(ask)


async def test_an_app_error_is_logged_with_its_traceback_and_gives_500() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            raise ExceptionGroup("two", [ValueError("one"), KeyError("two")])
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async with open_door(app) as opened:
        with capture_logs() as logs:
            assert (await opened.ask()).startswith(b"HTTP/1.1 500 ")
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [("unhandled error in the app", "error")]
        await opened.wait_empty()
        assert opened.door.statistics().failed == 0


async def test_an_app_can_respond_without_reading_a_large_body() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await trio.testing.wait_all_tasks_blocked()  # until all buffers on the way here are full
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"enough", "more_body": False})

    async with open_door(app) as opened:
        body = bytes(3_000_000)
        answer = await opened.ask(b"POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 3000000\r\n\r\n" + body)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"enough" in answer
        await opened.wait_empty()
