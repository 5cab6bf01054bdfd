"""A subscriber of servers that share a log: when its connection ends, it resumes at the next server."""

from collections.abc import Callable, Sequence
from typing import Any

import h11
import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError

from tests.support.resuming import Resume

__all__ = ["Roaming"]

_PAUSE_S = 0.05
_LOST = (
    ConnectionClosed,
    HandshakeError,
    OSError,
    StopAsyncIteration,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    httpx.TransportError,
    h11.RemoteProtocolError,
)


class Roaming:
    """One subscriber.

    Attributes:
        seq: The number of the last message that it has received.
        connections: How often it has connected.
        unrecovered: How often it could not resume.
    """

    def __init__(self, urls: Sequence[str], resume: Resume, epoch: str, seq: int = 0) -> None:
        """Begin after message `seq` of `epoch`, at the first of `urls`; `resume` is a transport of `resuming`."""
        self.seq = seq
        self.connections = self.unrecovered = 0
        self._urls = urls
        self._resume = resume
        self._epoch = epoch
        self._received = trio.Event()

    async def read(self, take: Callable[[dict[str, Any]], bool]) -> None:
        """Pass each message of the stream to `take`, until that returns True."""
        turn = 0
        while True:
            try:
                if await self._read(self._urls[turn % len(self._urls)], take):
                    return
            except* _LOST:
                pass
            turn += 1
            await trio.sleep(_PAUSE_S)

    async def _read(self, url: str, take: Callable[[dict[str, Any]], bool]) -> bool:
        async with self._resume(url, self._epoch, self.seq) as stream:
            self.connections += 1
            self.unrecovered += not stream.recovered
            async for message in stream.messages:
                if "seq" not in message:  # about the connection, such as its end
                    continue
                self.seq = message["seq"]
                finished = take(message)
                self._received.set()
                if finished:
                    return True
        return False

    async def wait(self, seq: int) -> None:
        """Wait until it has received message `seq`."""
        while self.seq < seq:
            self._received = trio.Event()
            await self._received.wait()
