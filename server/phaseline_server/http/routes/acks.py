"""Replies to one client, in the order of its messages. An ack is sent only after its report is on disk."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import Event
from phaseline_server.jobs.receipts import BatchReceipt

__all__ = ["MOST_PENDING", "Acks", "number_of", "refusal"]

MOST_PENDING: Final = 2 * 2**20
"""Bytes of one client's reports that may wait for the disk; beyond that, the server stops reading from the client."""

_encoder: Final = msgspec.json.Encoder()


class _Numbered(msgspec.Struct, frozen=True):
    producer_seq: int | None = None


_numbers: Final = msgspec.json.Decoder(_Numbered)


def number_of(document: str | bytes) -> int | None:
    """Return the number of a rejected report, if it has one."""
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return _numbers.decode(document).producer_seq
    return None


def refusal(error: PhaselineError, producer_seq: int | None = None) -> bytes:
    """Return the reply that reports `error`, with `producer_seq` if it rejects a numbered report."""
    answer = {"type": "error", "error": str(error), "code": error.code}
    return _encoder.encode(answer if producer_seq is None else answer | {"producer_seq": producer_seq})


class _Due(NamedTuple):
    """A pending reply: a finished text, or the outcomes of reports that arrived together.

    Attributes:
        text: The text, if `taken` is None.
        taken: The outcomes of the reports.
        numbers: The `producer_seq` of each report.
        size: The size of the reports, in bytes.
        asked: Whether the client wants acks.
        notes: The notes for each report's ack; empty if there are none.
    """

    text: bytes
    taken: BatchReceipt | None = None
    numbers: Sequence[int | None] = ()
    size: int = 0
    asked: bool = False
    notes: Sequence[dict[str, object]] = ()

    @property
    def error(self) -> PhaselineError | None:
        """The error that kept numbered reports from being stored, or None."""
        error = None if self.taken is None else self.taken.error
        return None if error is None or all(number is None for number in self.numbers) else error


class Acks:
    """The queue of replies to one client."""

    def __init__(self, send: Callable[[list[bytes]], None], spawn: Callable[[], None]) -> None:
        """Create an empty queue.

        Args:
            send: Sends replies in one write.
            spawn: Starts `run` in a task. It is called at the first report, because most clients never report.
        """
        self._send = send
        self._spawn = spawn
        self._due: deque[_Due] | None = None
        self._waiting = 0  # bytes of reports
        self._added: trio.Event | None = None
        self._settled: trio.Event | None = None
        self._failed: PhaselineError | None = None

    @property
    def failed(self) -> PhaselineError | None:
        """The error that kept numbered reports of this client from being stored, or None."""
        return self._failed or next((error for due in self._due or () if (error := due.error) is not None), None)

    def answer(self, text: bytes) -> None:
        """Send `text` after all pending replies."""
        if self._due:
            self._due.append(_Due(text))
        else:
            self._send([text])

    def expect(
        self,
        events: Sequence[Event],
        taken: BatchReceipt,
        size: int,
        *,
        asked: bool,
        notes: Sequence[dict[str, object]] = (),
    ) -> None:
        """Queue an ack or an error for each report, to be sent once its outcome is known.

        Args:
            events: Reports that arrived together.
            taken: Their outcomes.
            size: Their size, in bytes.
            asked: Whether to send acks; errors are always sent.
            notes: Fields for each report's ack in addition; empty if there are none.
        """
        if self._due is None:
            self._due = deque()
            self._spawn()
        numbers = [event.producer_seq for event in events]
        self._due.append(_Due(b"", taken, numbers, size, asked, notes))
        self._waiting += size
        if self._added is not None:
            self._added.set()

    async def wait_room(self) -> None:
        """If `MOST_PENDING` bytes are waiting for the disk, wait until at most half of that is."""
        if self._waiting >= MOST_PENDING:
            while self._waiting > MOST_PENDING // 2:
                await self._next()

    async def wait_settled(self) -> None:
        """Wait until no reply is pending."""
        while self._due:
            await self._next()

    async def _next(self) -> None:
        if self._settled is None:
            self._settled = trio.Event()
        await self._settled.wait()

    async def run(self) -> None:
        """Send each reply when its outcome is known; runs until canceled."""
        due = self._due
        assert due is not None  # noqa: S101 (only `expect` starts this task)
        while True:
            while not due:
                self._added = trio.Event()
                await self._added.wait()
            # A commit settles many reports at once, so their replies go out in one write.
            texts: list[bytes] = []
            while due and ((taken := due[0].taken) is None or taken.kept):
                texts += self._texts(due.popleft())
            if texts:
                self._send(texts)
            if self._settled is not None:
                self._settled.set()
                self._settled = None
            if due:
                await self._wait(due)

    def _texts(self, due: _Due) -> list[bytes]:
        """Return the replies of a settled entry, possibly none."""
        if due.taken is None:
            return [due.text]
        self._waiting -= due.size
        texts = [
            refusal(outcome, number) if isinstance(outcome, PhaselineError) else _ack(number, outcome)
            for outcome, number in zip(due.taken.outcomes, due.numbers, strict=True)
            if due.asked or isinstance(outcome, PhaselineError)
        ]
        if due.notes:
            texts = [_with_notes(text, notes) for text, notes in zip(texts, due.notes, strict=True)]
        return texts

    async def _wait(self, due: deque[_Due]) -> None:
        """Wait until the first entry's reports are on disk, or record why they are not."""
        taken = due[0].taken
        if taken is not None:
            try:
                await taken.wait()
            except PhaselineError:
                self._failed = self._failed or due[0].error
                due[0] = due[0]._replace(taken=taken.settled())


def _with_notes(text: bytes, notes: dict[str, object]) -> bytes:
    return b"%b,%b" % (text[:-1], _encoder.encode(notes)[1:]) if notes else text


def _ack(number: int | None, seq: int) -> bytes:
    if number is None:
        return b'{"type":"ack","producer_seq":null,"seq":%d}' % seq
    return b'{"type":"ack","producer_seq":%d,"seq":%d}' % (number, seq)
