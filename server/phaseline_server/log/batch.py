"""The content of a log: groups of messages with the state that follows from them, and the state at start-up."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Average
from phaseline.stream import Message

__all__ = ["OLD_OWNER", "Batch", "JobRow", "Kept", "ProducerKey", "RunRow"]

ProducerKey = tuple[str, str, str]
"""The owner of a producer (a token's id, or "" without tokens), its name, and a job."""

OLD_OWNER: Final = "*"
"""The owner of producers that were recorded when their owners were not."""


class JobRow(NamedTuple):
    """A job as it is after a batch.

    Attributes:
        job_id: Its id.
        seq: The number of its latest event.
        state: Its state.
        latest_ns: Wall-clock time of its latest event.
        ended_ns: Wall-clock time of its end, None before.
        record: What `phaseline.model.record.encode_job` returns. Only that module reads it; an engine does not.
        search: The text in which words are searched; see `phaseline_server.log.queries.search_text`.
        dismissed: Whether it is dismissed.
    """

    job_id: str
    seq: int
    state: str
    latest_ns: int
    ended_ns: int | None
    record: bytes
    workflow: str = ""
    series: str = ""
    host: str = ""
    search: str = ""
    dismissed: bool = False


class RunRow(NamedTuple):
    """A job that ended; estimates learn from its `body`, which is None if there is nothing to learn.

    Attributes:
        measured: Whether it completed without a cache hit, so that its duration is that of its work.
        search: As in `JobRow`.
    """

    seq: int
    at_ns: int
    job_id: str
    workflow: str
    series: str
    state: str
    phase: str
    duration_ns: int
    body: bytes | None
    host: str = ""
    search: str = ""
    measured: bool = False


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is committed as one group, completely or not at all.

    Attributes:
        at: The moment of the commit.
        messages: In the order of their numbers, without a gap.
        jobs: Those that the messages are about.
        producers: The latest report of each producer about each job: its number, and the message's.
        runs: Those of the jobs that ended.
        dismissed: The runs of jobs that were dismissed, by the time of their end and the job's id; `Store.ends` does
            not count failed ones.
        durations: The durations of the phases of ended jobs.
        averages: The changed averages, with their new values.
        dropped: The averages that are removed after that, because there are too many.
        counts: Total numbers of pictures made, and of pictures that existed already.
        forget: Whether the averages and counts of all earlier batches are dropped first.
    """

    at: Moment
    messages: Sequence[Message]
    jobs: Sequence[JobRow] = ()
    producers: Mapping[ProducerKey, tuple[int, int]] = {}
    runs: Sequence[RunRow] = ()
    dismissed: Sequence[tuple[int, str]] = ()
    durations: Sequence[PhaseDuration] = ()
    averages: Mapping[tuple[str, str], Average] = {}
    dropped: Sequence[tuple[str, str]] = ()
    counts: tuple[int, int] | None = None
    forget: bool = False


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The state that a server starts with.

    Attributes:
        records: Of the jobs to have in memory, in the order of their latest events.
        producers: As in `Batch`, the longest silent first.
        averages: All of them; None in a log that never had any, not even from another file.
        counts: As in `Batch`.
        same_clock: Whether the machine has been up since then, so that monotonic times can be compared.
    """

    records: Sequence[bytes]
    producers: Mapping[ProducerKey, tuple[int, int]]
    averages: Mapping[tuple[str, str], Average] | None
    counts: tuple[int, int]
    same_clock: bool
