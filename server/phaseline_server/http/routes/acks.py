"""The answers to one client, in the order of what they answer: an ack waits until its report is kept."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import Event
from phaseline_server.jobs.commit_group import Taken

__all__ = ["MOST_PENDING", "Acks", "refusal"]

MOST_PENDING: Final = 2 * 2**20
"""Bytes of one client's reports that may wait to be kept before no more are taken from it."""

_encoder: Final = msgspec.json.Encoder()


def refusal(error: PhaselineError, producer_seq: int | None = None) -> bytes:
    """Return the answer to what was refused; with the number of the report, as an ack would have it."""
    answer = {"type": "error", "error": str(error), "code": error.code}
    return _encoder.encode(answer if producer_seq is None else answer | {"producer_seq": producer_seq})


class _Due(NamedTuple):
    """An answer that is due: a text that is ready, or what became of reports that came together.

    `numbers` are their producers', `size` is theirs in bytes, and `asked` says whether acks were asked for.
    """

    text: bytes
    taken: Taken | None = None
    numbers: Sequence[int | None] = ()
    size: int = 0
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
        self._waiting = 0  # bytes of reports
        self._news: trio.Event | None = None
        self._settled: trio.Event | None = None

    def answer(self, text: bytes) -> None:
        """Say `text` behind all that waits."""
        if self._due:
            self._due.append(_Due(text))
        else:
            self._say([text])

    def expect(self, events: Sequence[Event], taken: Taken, size: int, *, asked: bool) -> None:
        """Say of each report that it is kept, if that was `asked` for, or why it is not; once that is known.

        Args:
            events: The reports that came together.
            taken: What became of them.
            size: Their bytes.
            asked: Whether to say it of those that are kept.
        """
        if self._due is None:
            self._due = deque()
            self._spawn()
        numbers = [event.producer_seq for event in events]
        self._due.append(_Due(b"", taken, numbers, size, asked))
        self._waiting += size
        if self._news is not None:
            self._news.set()

    async def wait_room(self) -> None:
        """Wait, if too much waits to be kept, until half of it is."""
        if self._waiting >= MOST_PENDING:
            while self._waiting > MOST_PENDING // 2:
                await self._next()

    async def wait_settled(self) -> None:
        """Wait until nothing waits to be answered."""
        while self._due:
            await self._next()

    async def _next(self) -> None:
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
            texts: list[bytes] = []
            while due and ((taken := due[0].taken) is None or taken.kept):
                texts += self._texts(due.popleft())
            if texts:
                self._say(texts)
            if self._settled is not None:
                self._settled.set()
                self._settled = None
            if due:
                await self._wait(due)

    def _texts(self, due: _Due) -> list[bytes]:
        """Return the answers, which are known by now; none if nothing is to be said."""
        if due.taken is None:
            return [due.text]
        self._waiting -= due.size
        return [
            refusal(outcome, number) if isinstance(outcome, PhaselineError) else _ack(number, outcome)
            for outcome, number in zip(due.taken.outcomes, due.numbers, strict=True)
            if due.asked or isinstance(outcome, PhaselineError)
        ]

    async def _wait(self, due: deque[_Due]) -> None:
        """Wait until the first frame's reports are kept; note if they could not be."""
        taken = due[0].taken
        if taken is not None:
            try:
                await taken.wait()
            except PhaselineError as error:
                due[0] = due[0]._replace(taken=taken.failed(error))


def _ack(number: int | None, seq: int) -> bytes:
    if number is None:
        return b'{"type":"ack","producer_seq":null,"seq":%d}' % seq
    return b'{"type":"ack","producer_seq":%d,"seq":%d}' % (number, seq)
