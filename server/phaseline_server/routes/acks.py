"""The answers to one client, in the order of what they answer: an ack waits until its report is kept."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import trio

from phaseline.errors import PhaselineError
from phaseline_server.group import Pending

__all__ = ["MOST_PENDING", "Acks", "refusal"]

MOST_PENDING: Final = 2_000
"""Reports of one client that may wait to be kept before no more are taken from it."""

_encoder: Final = msgspec.json.Encoder()


def refusal(error: PhaselineError, producer_seq: int | None = None) -> bytes:
    """Return the answer to what was refused; with the number of the report, as an ack would have it."""
    answer = {"type": "error", "error": str(error), "code": error.code}
    return _encoder.encode(answer if producer_seq is None else answer | {"producer_seq": producer_seq})


class _Due(NamedTuple):
    """An answer that is due: a text that is ready, or an ack, if it was asked for, or why there is none."""

    text: bytes
    pending: Pending | None = None
    producer_seq: int | None = None
    asked: bool = False


class Acks:
    """The answers to one client."""

    def __init__(self, say: Callable[[list[bytes]], None], spawn: Callable[[], None]) -> None:
        """Begin with none.

        Args:
            say: Takes answers that are to be sent together.
            spawn: Has `run` run; called when that is first needed, as most clients never report.
        """
        self._say = say
        self._spawn = spawn
        self._due: deque[_Due] | None = None
        self._news: trio.Event | None = None
        self._settled: trio.Event | None = None

    def __len__(self) -> int:
        """Return how many answers wait."""
        return len(self._due or ())

    def answer(self, text: bytes) -> None:
        """Say `text` behind all that waits."""
        if self._due:
            self._due.append(_Due(text))
        else:
            self._say([text])

    def expect(self, pending: Pending, producer_seq: int | None, *, asked: bool) -> None:
        """Say that a report is kept, if that was `asked` for, or why it could not be; once that is known."""
        if self._due is None:
            self._due = deque()
            self._spawn()
        self._due.append(_Due(b"", pending, producer_seq, asked))
        if self._news is not None:
            self._news.set()

    async def wait_settled(self, most: int = 0) -> None:
        """Wait until at most so many answers wait."""
        while self._due and len(self._due) > most:
            if self._settled is None:
                self._settled = trio.Event()
            await self._settled.wait()

    async def run(self) -> None:
        """Say each answer once it is due; runs until cancelled."""
        due = self._due
        assert due is not None  # noqa: S101 (`expect` has it run)
        while True:
            while not due:
                self._news = trio.Event()
                await self._news.wait()
            # A group of reports is kept together, so many are due at once; they leave in one write.
            texts = []
            while due and ((pending := due[0].pending) is None or pending.kept):
                if text := _text(due.popleft()):
                    texts.append(text)
            if texts:
                self._say(texts)
            elif due:
                await self._wait(due)
            if self._settled is not None:
                self._settled.set()
                self._settled = None

    async def _wait(self, due: deque[_Due]) -> None:
        """Wait until the first report's group is kept; say so if it could not be."""
        first = due[0]
        try:
            if first.pending is not None:
                await first.pending.wait()
        except PhaselineError as error:
            due[0] = _Due(refusal(error, first.producer_seq))


def _text(due: _Due) -> bytes:
    """Return the answer, which is known by now; empty if nothing is to be said."""
    if due.pending is None or not due.asked:
        return due.text
    seq = due.pending.position.seq
    if due.producer_seq is None:
        return b'{"type":"ack","producer_seq":null,"seq":%d}' % seq
    return b'{"type":"ack","producer_seq":%d,"seq":%d}' % (due.producer_seq, seq)
