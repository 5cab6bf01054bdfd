"""Subscribers with real sockets: whole frames, in order, even if sockets of others fail."""

import os
import select
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from phaseline.stream import JOBS, Message
from phaseline_server.door.outgoing import Outgoing
from phaseline_server.fanout.broadcaster import Broadcaster
from phaseline_server.fanout.frames import text_frame
from tests.support.door_clients import PATIENT


@dataclass
class Wire:
    """A sink with a real socket, and the client at its other end."""

    writer: Outgoing
    client: trio.SocketStream
    received: bytearray = field(default_factory=bytearray)

    @property
    def queued(self) -> int:
        return self.writer.queued

    async def wait_flushed(self) -> None:
        await self.writer.wait_flushed()

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        raise AssertionError(f"ended with {code} {reason!r}, {drop=}")

    async def read_up_to(self, size: int) -> None:
        """Read until this total of bytes has arrived."""
        with trio.fail_after(30):
            while len(self.received) < size:
                self.received += await self.client.receive_some()


@asynccontextmanager
async def wired(broadcaster: Broadcaster, count: int) -> AsyncIterator[tuple[list[Wire], list[str]]]:
    """Yield subscribers to jobs whose sockets have small buffers, and a list of the reports about them."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    wires: list[Wire] = []
    reported: list[str] = []
    async with listener, trio.open_nursery() as nursery:
        with ExitStack() as stack:
            for _ in range(count):
                client = await trio.open_tcp_stream(*listener.socket.getsockname())
                stack.callback(client.socket.close)
                ours = await listener.accept()
                ours.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, 50_000)
                client.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 50_000)
                wire = Wire(Outgoing(ours, PATIENT, nursery.start_soon, partial(reported.append, "cut")), client)
                stack.callback(wire.writer.end)
                stack.enter_context(broadcaster.attach(wire, [JOBS], 1000))
                wires.append(wire)
            yield wires, reported
            nursery.cancel_scope.cancel()


async def test_a_full_or_closed_socket_does_not_disturb_the_frames_of_others() -> None:
    broadcaster, frames = Broadcaster(), bytearray()

    def publish(seq: int) -> None:
        payload = b"%d" % seq * 5_000
        frames.extend(text_frame(payload))
        broadcaster.publish(Message(seq, "x", "a", frozenset({JOBS}), payload))

    async with wired(broadcaster, 4) as ((gone, slow, *quick), reported):
        for seq in range(1, 201):
            publish(seq)
            for wire in quick:
                await wire.read_up_to(len(frames))
            if seq == 100:
                gone.client.socket.close()
            if seq > 150:
                # Its socket accepts data again, before any waiting data is sent.
                select.select([slow.client.socket], [], [], 30)
                slow.received += os.read(slow.client.socket.fileno(), 20_000)
        assert broadcaster.statistics().queued > 0
        await slow.read_up_to(len(frames))
        await slow.wait_flushed()
        publish(201)
        for wire in (slow, *quick):
            await wire.read_up_to(len(frames))
            assert wire.received == frames
        assert (reported, broadcaster.statistics().ended_slow) == (["cut"], 0)
        assert slow.writer.fd == slow.writer._stream.socket.fileno()
