"""The four transports of the stream behind one interface: resume after a position, and read on."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import httpx
import trio

from tests.support.listening import connected
from tests.support.servers import client_of

Said = dict[str, Any]
WAIT_S = 20
CHANNELS = "jobs,photos,system"


@dataclass
class Resumed:
    """A stream after it was resumed.

    Attributes:
        recovered: Whether the stream begins with all missed messages.
        messages: The messages; if it was not recovered, those after the state.
        state: That state's jobs, by their ids; None if it was recovered.
        seq: The state's position.
    """

    recovered: bool
    messages: AsyncIterator[Said]
    state: dict[str, Said] | None = None
    seq: int = 0

    async def take(self, count: int) -> list[Said]:
        """Return the next `count` messages."""
        taken: list[Said] = []
        while len(taken) < count:
            taken.append(await anext(self.messages))
        return taken


def lost(state: list[Said], seq: int, messages: AsyncIterator[Said]) -> Resumed:
    return Resumed(False, messages, {job["job_id"]: job for job in state}, seq)


Resume = Callable[..., AbstractAsyncContextManager[Resumed]]


# ---------------------------------------------------------------------------------------- /ws


@asynccontextmanager
async def by_websocket(url: str, epoch: str, seq: int, channels: str = CHANNELS) -> AsyncIterator[Resumed]:
    async with connected(url) as listener:

        async def messages() -> AsyncGenerator[Said, None]:
            while True:
                yield await listener.receive()

        async with aclosing(messages()) as stream:
            confirmed = await listener.subscribe(*channels.split(","), since={"epoch": epoch, "seq": seq})
            if confirmed["recovered"]:
                assert confirmed["position"] == {"epoch": epoch, "seq": seq}
                yield Resumed(True, stream)
                return
            state = await listener.receive("snapshot")
            assert state["recovered"] is False
            yield lost(state["jobs"], state["seq"], stream)


# ---------------------------------------------------------------------------------------- /events


async def body_of(stream: trio.SocketStream, connection: h11.Connection) -> AsyncGenerator[bytes, None]:
    """Yield the body of an endless response as it arrives."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Data):
            yield bytes(event.data)
        elif isinstance(event, h11.Response):
            if event.status_code != 200:
                raise ConnectionRefusedError(f"status {event.status_code}")
        else:
            return


async def sse_events(body: AsyncIterator[bytes]) -> AsyncGenerator[tuple[str, str, Said], None]:
    """Yield the id, the name and the document of each event."""
    pending = b""
    async for chunk in body:
        *events, pending = (pending + chunk).split(b"\n\n")
        for event in events:
            if not event.startswith(b":"):
                fields = dict(line.split(": ", 1) for line in event.decode().split("\n"))
                yield fields["id"], fields["event"], json.loads(fields["data"])


@asynccontextmanager
async def by_sse(url: str, epoch: str, seq: int, channels: str = CHANNELS) -> AsyncIterator[Resumed]:
    port, connection = httpx.URL(url).port or 80, h11.Connection(h11.CLIENT)
    asked = h11.Request(
        method="GET",
        target=f"/events?channels={channels}",
        headers=[("Host", "127.0.0.1"), ("Last-Event-ID", f"{epoch}/{seq}")],
    )
    async with (
        await trio.open_tcp_stream("127.0.0.1", port) as socket,
        aclosing(body_of(socket, connection)) as body,
        aclosing(sse_events(body)) as events,
    ):
        await socket.send_all((connection.send(asked) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        # The first event shows whether it was resumed, so it is only read when needed.
        try:
            first = [await anext(events)]
        except StopAsyncIteration:
            raise ConnectionResetError("the server ended the stream before its first event") from None

        async def messages() -> AsyncGenerator[Said, None]:
            for _, name, document in first:
                assert name == document["type"]
                yield document
            async for name_id, name, document in events:
                assert (name_id.rpartition("/")[2], name) == (str(document["seq"]), document["type"])
                yield document

        name_id, name, document = first[0]
        if name != "snapshot":
            async with aclosing(messages()) as stream:
                yield Resumed(True, stream)
            return
        assert document["recovered"] is False
        assert name_id == f"{document['epoch']}/{document['seq']}"
        first.clear()
        async with aclosing(messages()) as stream:
            yield lost(document["jobs"], document["seq"], stream)


# ---------------------------------------------------------------------------------------- asked for, page by page


@asynccontextmanager
async def by_poll(url: str, epoch: str, seq: int, channels: str = CHANNELS) -> AsyncIterator[Resumed]:
    async with client_of(url) as client:
        shaken = (await client.post("/ws/handshake", json={"channels": channels.split(",")})).json()

        async def page(ack: str) -> Said:
            query: dict[str, str | int] = {"client_id": shaken["client_id"], "ack": ack, "wait": WAIT_S}
            answer = await client.get("/ws/poll", params=query)
            assert answer.status_code == 200, answer.text
            found: Said = answer.json()
            return found

        first = await page(f"{epoch}/{seq}")

        async def messages(answer: Said) -> AsyncGenerator[Said, None]:
            while True:
                for message in answer["messages"]:
                    yield message
                answer = await page(str(answer["ack"]))
                assert answer["recovered"] is True

        async with aclosing(messages(first)) as stream:
            yield Resumed(True, stream) if first["recovered"] else lost(first["jobs"], first["ack"], stream)


@asynccontextmanager
async def by_rest(url: str, epoch: str, seq: int, channels: str = CHANNELS) -> AsyncIterator[Resumed]:
    async with client_of(url) as client:

        async def page(since: str) -> Said:
            query: dict[str, str | int] = {"since": since, "wait": WAIT_S, "channels": channels, "limit": 700}
            answer = await client.get("/progress/events", params=query)
            assert answer.status_code == 200, answer.text
            found: Said = answer.json()
            return found

        first = await page(f"{epoch}/{seq}")

        async def messages(answer: Said) -> AsyncGenerator[Said, None]:
            while True:
                assert answer["count"] == len(answer["messages"])
                for message in answer["messages"]:
                    yield message
                answer = await page(f"{answer['position']['epoch']}/{answer['position']['seq']}")
                assert answer["recovered"] is True

        async with aclosing(messages(first)) as stream:
            yield Resumed(True, stream) if first["recovered"] else lost(first["jobs"], first["position"]["seq"], stream)


@asynccontextmanager
async def by_lines(url: str, epoch: str, seq: int, channels: str = CHANNELS) -> AsyncIterator[Resumed]:
    async with client_of(url) as client:

        async def page(since: str) -> tuple[str, list[Said]]:
            query: dict[str, str | int] = {"since": since, "wait": WAIT_S, "channels": channels}
            answer = await client.get("/progress/events", params=query, headers={"Accept": "application/x-ndjson"})
            assert answer.headers["Content-Type"] == "application/x-ndjson", answer.text
            return answer.headers["Phaseline-Position"], [json.loads(line) for line in answer.text.splitlines()]

        position, first = await page(f"{epoch}/{seq}")

        async def messages(since: str, found: list[Said]) -> AsyncGenerator[Said, None]:
            while True:
                for message in found:
                    yield message
                since, found = await page(since)

        if not first or first[0]["type"] != "snapshot":
            async with aclosing(messages(position, first)) as stream:
                yield Resumed(True, stream)
            return
        [state] = first
        assert state["recovered"] is False
        async with aclosing(messages(position, [])) as stream:
            yield lost(state["jobs"], state["seq"], stream)


TRANSPORTS: dict[str, Resume] = {
    "websocket": by_websocket,
    "sse": by_sse,
    "poll": by_poll,
    "rest": by_rest,
    "lines": by_lines,
}
