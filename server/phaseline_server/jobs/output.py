"""The last output of jobs: bounded for each job and in total."""

import sys
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import msgspec

from phaseline.stream import Message, output_channel
from phaseline.text import as_drawn_last, masked

__all__ = ["MAX_CHARACTERS", "MAX_LINES", "Added", "Output", "Outputs", "as_drawn", "output_message"]

MAX_CHARACTERS: Final = 65_536
"""Maximum number of characters of output kept per job."""
MAX_LINES: Final = 200
"""Maximum number of lines of output kept per job."""
MAX_BYTES: Final = 32 * 2**20
"""Memory for the output of all jobs."""
_TYPE: Final = "job_output"
_encoder: Final = msgspec.json.Encoder()


class Output(msgspec.Struct, frozen=True):
    """The end of a job's output.

    Attributes:
        at: The number of characters before `text`.
        text: Clean text. A carriage return means that the program draws its line again.
    """

    at: int
    text: str

    @property
    def end(self) -> int:
        """The number of characters up to the end of `text`."""
        return self.at + len(self.text)

    def after(self, position: int) -> "Output":
        """Return what follows `position`, or everything if that is not known."""
        return Output(position, self.text[position - self.at :]) if self.at <= position <= self.end else self


class Added(msgspec.Struct, frozen=True):
    """A report's addition to a job's output: `text`, after `at` characters."""

    at: int
    text: str


class Outputs:
    """The output of all jobs. That of the job which wrote least recently is dropped first.

    Attributes:
        evicted: The number of jobs whose output was dropped.
        bytes: The memory in use.
    """

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        """Keep at most `most_bytes` for all jobs."""
        self._kept: OrderedDict[str, Output] = OrderedDict()
        self._most = most_bytes
        self.bytes = 0
        self.evicted = 0
        self._changed: dict[str, None] = {}
        self._gone: set[str] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, job_id: str) -> Output | None:
        """Return the output of a job, or None if none is kept."""
        return self._kept.get(job_id)

    def add(self, job_id: str, at: int | None, data: bytes) -> Added | None:
        """Add to a job's output; return what was new, or None.

        Sending the same text again changes nothing.

        Args:
            job_id: The id of the job.
            at: The number of characters that the program wrote before; 0 starts again, None appends.
            data: UTF-8; any other byte becomes U+FFFD.
        """
        text = data.decode("utf-8", "replace")
        kept = self._kept.get(job_id) or Output(at or 0, "")
        if at is None:
            at = kept.end
        if at == 0 or at > kept.end:  # a new run, or a gap from characters that the sender dropped
            kept = Output(at, "")
        text = text[kept.end - at :]
        if not text:
            return None
        if (skipped := len(text) - MAX_CHARACTERS) > 0:
            kept, text = Output(kept.end + skipped, ""), text[skipped:]
        text = masked(text)
        whole = kept.text + text
        dropped = max(0, len(whole) - MAX_CHARACTERS, _beyond_lines(whole))
        self._changed[job_id] = None
        self._gone.discard(job_id)
        self._keep(job_id, Output(kept.at + dropped, whole[dropped:]))
        return Added(kept.end, text)

    def _keep(self, job_id: str, output: Output) -> None:
        before = self._kept.pop(job_id, None)
        self.bytes += _size(job_id, output) - (0 if before is None else _size(job_id, before))
        self._kept[job_id] = output
        while self.bytes > self._most:
            oldest, dropped = self._kept.popitem(last=False)
            self.bytes -= _size(oldest, dropped)
            self.evicted += 1
            self._changed.pop(oldest, None)
            self._gone.add(oldest)

    # ------------------------------------------------------------------ storage

    def restore(self, job_id: str, output: Output) -> None:
        """Keep the stored output of a job as the latest one."""
        self._keep(job_id, output)

    def take_changes(self, most_characters: int) -> tuple[list[str], set[str]]:
        """Return the jobs whose output has changed since they were returned last, and those whose output is dropped.

        Args:
            most_characters: Jobs are returned until their output is that long; the others follow with the next call.
        """
        jobs: list[str] = []
        size = 0
        while self._changed and size < most_characters:
            job_id = next(iter(self._changed))
            del self._changed[job_id]
            jobs.append(job_id)
            size += len(self._kept[job_id].text)
        gone, self._gone = self._gone, set()
        return jobs, gone

    def put_back(self, jobs: Iterable[str], gone: Iterable[str]) -> None:
        """Return changes that could not be stored to those of the next call of `take_changes`."""
        for job_id in jobs:
            if job_id in self._kept:
                self._changed.setdefault(job_id)
        self._gone.update(job_id for job_id in gone if job_id not in self._kept)


def output_message(job_id: str, added: Added) -> Message:
    """Return the message for the channel `output:<job_id>`; it is not part of the stream."""
    document = _encoder.encode({"type": _TYPE, "job_id": job_id, "at": added.at, "text": added.text})
    return Message(0, _TYPE, job_id, frozenset({output_channel(job_id)}), document)


def as_drawn(text: str) -> str:
    """Return the lines as a terminal shows them in the end: a line that was drawn again, as it was drawn last."""
    return "\n".join(map(as_drawn_last, text.split("\n")))


def _beyond_lines(text: str) -> int:
    """Return the number of characters before the last lines that are kept."""
    if text.count("\n") <= MAX_LINES:
        return 0
    end = len(text) - 1  # the last line may have ended
    for _ in range(MAX_LINES):
        end = text.rfind("\n", 0, end)
    return end + 1


def _size(job_id: str, output: Output) -> int:
    return sys.getsizeof(output.text) + sys.getsizeof(job_id) + 200
