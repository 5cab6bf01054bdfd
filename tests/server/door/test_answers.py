"""Sending responses, and noticing that a client has disconnected."""

from collections.abc import AsyncIterator
from math import inf

import pytest
import trio
from quart import Response
from quart_trio import QuartTrio

from phaseline_server.http.quart_calls import HttpCall
from tests.support.door_clients import FRESH, get, open_door, read_all, read_until


def answering_app() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.get("/")
    async def index() -> str:
        return "here"

    @app.get("/later")
    async def later() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            await trio.sleep(inf)
            yield b""

        return Response(pieces())

    @app.get("/half")
    async def half() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise ValueError("no more")

        return Response(pieces(), headers={"Content-Length": "20"})

    return app


async def test_a_response_head_is_sent_before_a_body_of_unknown_length() -> None:
    async with open_door(answering_app()) as opened:
        stream = await opened.connect()
        async with stream:
            await get(stream, "/later")
            with trio.fail_after(30):
                assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
async def test_an_incomplete_response_closes_the_connection() -> None:
    async with open_door(answering_app()) as opened:
        stream = await opened.connect()
        async with stream:
            await get(stream, "/half")
            with trio.fail_after(30):
                answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"half of it")
        assert (await opened.ask()).endswith(b"here")


@pytest.mark.parametrize("body", ["comes along", "is on its way"])
async def test_a_response_before_the_whole_request_body_has_connection_close(body: str) -> None:
    async with open_door(answering_app()) as opened:
        stream = await opened.connect()
        async with stream:
            head = b"POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\n"
            await stream.send_all(head + (b"body" if body == "comes along" else b""))
            answer = await read_until(stream, b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 405 ")
            assert (b"\r\nconnection: close\r\n" in answer) is (body == "is on its way")
            if body == "comes along":
                await stream.send_all(FRESH)
            assert (await read_all(stream)).endswith(b"here") is (body == "comes along")


async def test_a_response_head_and_body_are_sent_in_one_write() -> None:
    async with open_door(answering_app()) as opened:
        answer = await opened.ask(FRESH.replace(b"GET", b"HEAD"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"content-length: 4\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_route_is_canceled_when_its_client_disconnects(method: str) -> None:
    app, begun, over = QuartTrio(__name__), trio.Event(), trio.Event()
    app.asgi_http_class = HttpCall

    @app.route("/waits", methods=["GET", "POST"])
    async def waits() -> str:
        try:
            begun.set()
            await trio.sleep(inf)
        finally:
            over.set()
        return ""

    async with open_door(app) as opened:
        stream = await opened.connect()
        body = b"Content-Length: 1\r\n\r\nx" if method == "POST" else b"\r\n"
        await stream.send_all(method.encode() + b" /waits HTTP/1.1\r\nHost: door\r\n" + body)
        with trio.fail_after(30):
            await begun.wait()
            await stream.aclose()
            await over.wait()
