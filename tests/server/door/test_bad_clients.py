"""No input from a client affects more than its own connection: the next client is served."""

import pytest
import trio
from structlog.testing import capture_logs

from tests.support.door_clients import (
    FRESH,
    KEY,
    UPGRADE,
    OpenDoor,
    close_code,
    frame,
    get,
    open_door,
    read_all,
    read_until,
    reset,
)

HEAD_END = b"\r\n"
POST = b"POST /length HTTP/1.1\r\nHost: door\r\n"
GET = b"GET / HTTP/1.1\r\nHost: door\r\n"
H2C = GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
HALF_BODY = POST + b"Content-Length: 5\r\n\r\nab"
UNREAD = b"POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 9000000\r\n\r\n" + bytes(9_000_000)
TLS_HELLO = bytes.fromhex("160301006f0100006b0303") + bytes(range(100))

# The data to send, and the beginning of the answer's first line ("" if there must be none).
MALFORMED: dict[str, tuple[bytes, bytes]] = {
    "nothing but NUL": (bytes(2000), b"HTTP/1.1 400 "),
    "nothing but 0xff": (b"\xff" * 2000 + b"\r\n\r\n", b"HTTP/1.1 400 "),
    "a TLS hello": (TLS_HELLO, b"HTTP/1.1 400 "),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), b"HTTP/1.1 505 "),
    "an h2c upgrade": (H2C, b"HTTP/1.1 200 "),
    "a version of the future": (b"GET / HTTP/3.0\r\nHost: door\r\n\r\n", b"HTTP/1.1 505 "),
    "no version": (b"GET /\r\n\r\n", b"HTTP/1.1 400 "),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    "a target without a slash": (b"GET here HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 400 "),
    "a query for a target": (b"GET ?x=1 HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 400 "),
    "a target that is a scheme": (b"GET http:// HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 "),
    "a tunnel": (b"CONNECT door:443 HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 400 "),
    "a path that is no UTF-8": (b"GET /%ff%fe%00 HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 404 "),
    "a header of 100 KiB": (GET + b"X: " + b"x" * 102_400 + b"\r\n\r\n", b"HTTP/1.1 431 "),
    "a line of 100 KiB": (b"GET /" + b"x" * 102_400, b"HTTP/1.1 431 "),
    "10,000 headers": (GET + b"X: y\r\n" * 10_000 + b"\r\n", b"HTTP/1.1 431 "),
    "a header that is none": (GET + b"no colon\r\n\r\n", b"HTTP/1.1 400 "),
    "NUL in a header": (GET + b"X: \0\r\n\r\n", b"HTTP/1.1 400 "),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 400 "),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 400 "),
    "a length, and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a length of 30 digits": (POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", b"HTTP/1.1 400 "),
    "an unknown coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 501 "),
    "chunks of no size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400 "),
    "a chunk longer than it says": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a size of chunk without end": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 99_999, b"HTTP/1.1 431 "),
    "key with an umlaut": (UPGRADE.replace(KEY, "schlüssel".encode("latin-1")) + HEAD_END, b"HTTP/1.1 400 "),
    "version with an umlaut": (UPGRADE.replace(b": 13", b": \xfc") + HEAD_END, b"HTTP/1.1 400 "),
    "subprotocol with an umlaut": (UPGRADE + b"Sec-WebSocket-Protocol: \xfc\r\n\r\n", b"HTTP/1.1 400 "),
    "extension with an umlaut": (UPGRADE + b"Sec-WebSocket-Extensions: \xfc\r\n\r\n", b"HTTP/1.1 400 "),
    "connection with an umlaut": (UPGRADE.replace(b": Upgrade", b": Upgrade, \xfc") + HEAD_END, b"HTTP/1.1 400 "),
    "another version of WebSocket": (UPGRADE.replace(b": 13", b": 8") + HEAD_END, b"HTTP/1.1 400 "),
    "no key": (UPGRADE.replace(b"Sec-WebSocket-Key: " + KEY + b"\r\n", b"") + HEAD_END, b"HTTP/1.1 400 "),
    "an upgrade in HTTP/1.0": (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0") + HEAD_END, b"HTTP/1.1 400 "),
    "an upgrade to a path that is none": (UPGRADE.replace(b"/echo", b"/none") + HEAD_END, b"HTTP/1.1 404 "),
    "an extension that is syntax": (UPGRADE + b'Sec-WebSocket-Extensions: ;=,;;="\r\n\r\n', b"HTTP/1.1 101 "),
    "deflate with bad parameters": (
        UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\r\n",
        b"HTTP/1.1 101 ",
    ),
    "frames sent along to a path that is none": (
        UPGRADE.replace(b"/echo", b"/none") + HEAD_END + frame(b"early") * 100,
        b"HTTP/1.1 404 ",
    ),
    "a request sent along": (UPGRADE + HEAD_END + FRESH, b"HTTP/1.1 101 "),
    "requests after the one that was to be the last": (FRESH * 50, b"HTTP/1.1 200 "),
    "a body nobody reads": (
        POST.replace(b"/length", b"/") + b"Content-Length: 9000000\r\n\r\n" + bytes(9_000_000),
        b"HTTP/1.1 405 ",
    ),
    "an error in the app": (b"GET /broken HTTP/1.1\r\nHost: door\r\n\r\n", b"HTTP/1.1 500 "),
}

# The data to send after the handshake, and the code of the close that answers it.
BAD_FRAMES: dict[str, tuple[bytes, int]] = {
    "unmasked": (frame(b"x", masked=False), 1002),
    "a reserved bit": (frame(b"x", reserved=2), 1002),
    "compressed, without agreement": (frame(b"x", reserved=4), 1002),
    "a reserved opcode": (frame(b"x", 3), 1002),
    "a fragment of nothing": (frame(b"x", 0), 1002),
    "two beginnings": (frame(b"x", final=False) + frame(b"y"), 1002),
    "no UTF-8": (frame(b"\xff\xfe"), 1007),
    "half a character": (frame("ü".encode()[:1]), 1007),
    "a ping in fragments": (frame(b"x", 9, final=False), 1002),
    "a ping of 126 bytes": (frame(b"x" * 126, 9), 1002),
    "a close of one byte": (frame(b"x", 8), 1002),
    "a close with a code that is none": (frame(b"\x00\x01", 8), 1002),
    "a close with a reason that is no UTF-8": (frame(b"\x03\xe8\xff", 8), 1007),
    "a length of 2^63": (b"\x81\xff\xff" + b"\xff" * 7, 1002),
    "noise": (bytes(range(256)) * 40, 1002),
    "one message too large": (frame(b"x" * 65_537), 1009),
    "too large in characters of four bytes": (frame("🜁".encode() * 17_000), 1009),
    "too large in fragments": (frame(b"x" * 60_000, final=False) + frame(b"x" * 6_000, 0, final=False) * 50, 1009),
}


async def assert_unharmed(opened: OpenDoor) -> None:
    assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")
    await opened.wait_empty()
    assert opened.door.statistics().failed == 0


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_request_gets_an_error_and_affects_no_other_client(name: str) -> None:
    sent, expected = MALFORMED[name]
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, sent)
            answer = await read_until(stream, b"\r\n\r\n")
            assert answer.startswith(expected)
            nursery.cancel_scope.cancel()
        await assert_unharmed(opened)


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_closes_the_websocket_with_its_code(name: str) -> None:
    sent, code = BAD_FRAMES[name]
    async with open_door() as opened:  # the end comes without the client's agreement
        stream = await opened.connect()
        async with stream:
            await stream.send_all(UPGRADE + HEAD_END)
            await read_until(stream, b"\r\n\r\n")
            await stream.send_all(sent)
            assert close_code(await read_all(stream)) == code
        await assert_unharmed(opened)


async def test_a_frame_sent_with_the_handshake_is_received() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            await stream.send_all(UPGRADE + HEAD_END + frame(b"early"))
            answer = await read_until(stream, b"\x81\x05early")
            assert answer.startswith(b"HTTP/1.1 101 ")
            await stream.send_all(frame(b"\x03\xe8", 8))
            assert close_code(await read_all(stream)) == 1000
        await assert_unharmed(opened)


async def test_compression_is_never_negotiated() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            await stream.send_all(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
            answer = await read_until(stream, b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert b"extensions" not in answer.lower()
        await assert_unharmed(opened)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", GET, GET + HEAD_END, HALF_BODY, UPGRADE, UPGRADE + HEAD_END, UPGRADE + HEAD_END + b"\x81"],
)
@pytest.mark.parametrize("leave", ["half-closed", "reset"])
async def test_a_client_may_disconnect_at_any_point(sent: bytes, leave: str) -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        if sent:
            await stream.send_all(sent)
        if leave == "reset":
            reset(stream)
        else:
            await stream.send_eof()
            await read_all(stream)
            await stream.aclose()
        await assert_unharmed(opened)


@pytest.mark.parametrize("path", ["/huge", "/trickle", "/until-closing", "/for-ever"])
async def test_a_client_may_disconnect_during_a_response(path: str) -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        await get(stream, path)
        if path in {"/huge", "/trickle"}:
            await read_until(stream, bytes(60_000))
        with capture_logs() as logs:
            reset(stream)
            await assert_unharmed(opened)
        assert [entry for entry in logs if entry["log_level"] != "debug"] == []


async def test_an_app_error_gives_500_and_keeps_the_connection() -> None:
    async with open_door() as opened:
        answer = await opened.ask(b"GET /broken HTTP/1.1\r\nHost: door\r\n\r\n" + FRESH)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"HTTP/1.1 200 " in answer
        await assert_unharmed(opened)


async def test_a_response_sent_before_the_request_body_arrives_whole() -> None:
    async with open_door() as opened:
        stream = await opened.connect()
        async with stream:
            await stream.send_all(UNREAD)
            answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert answer.endswith(b"</p>\n")
        await assert_unharmed(opened)


async def test_a_rejected_handshake_closes_the_connection() -> None:
    async with open_door() as opened:
        answer = await opened.ask(UPGRADE.replace(b": 13", b": 8") + HEAD_END)
        assert answer.startswith(b"HTTP/1.1 400 ")
        await assert_unharmed(opened)
