"""The memory for jobs and recent messages is limited for any reports."""

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given

from phaseline.errors import TooMany
from phaseline.eta import EmaEngine
from phaseline.model.events import ErrorOccurred, JobCompleted, JobProgress, JobStarted, PhotoInfo
from phaseline.model.statistics import Statistics
from phaseline.model.weight import weight
from phaseline.stream import Position, Tail
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.stream import Log
from tests.support.core_events import json_objects
from tests.support.tracking import HandClock, message

LIMIT = 1_000_000
BLOB = {"blob": "x" * 100_000}


def limited() -> Tracker:
    known = Statistics()
    log = Log(MemoryStore(), 1000, 1000)
    return Tracker(log, EmaEngine(known), known, max_jobs=100, max_bytes=LIMIT, clock=HandClock())


async def test_a_start_is_rejected_while_active_jobs_fill_the_memory() -> None:
    tracker = limited()
    async with tracker.keeping():
        for number in range(9):
            await tracker.report(JobStarted(job_id=f"{number}", photo_info=BLOB))
        with pytest.raises(TooMany, match=r"the jobs in memory would take \d+ bytes; allowed: at most 1000000; send"):
            await tracker.report(JobStarted(job_id="more", photo_info=BLOB))
        for event in (PhotoInfo(job_id="0", data={"b": "y" * 99_000}), error(99_000)):
            with pytest.raises(TooMany):
                await tracker.report(event)
        assert tracker.bytes <= LIMIT
        await tracker.report(JobProgress(job_id="0", phase="importing"))
        await tracker.report(JobCompleted(job_id="0", result=BLOB))  # an end is always accepted
        await tracker.report(JobStarted(job_id="more", photo_info=BLOB))
        assert "0" not in [job.job_id for job in tracker.jobs()]
        assert (await tracker.find("0")).info == BLOB
        assert tracker.bytes <= LIMIT


def error(size: int) -> ErrorOccurred:
    return ErrorOccurred(job_id="0", error_type="e", text="it broke", details={"trace": "x" * size})


async def test_a_batch_may_not_take_more_memory_than_reports_one_by_one() -> None:
    tracker = limited()
    async with tracker.keeping():
        taken = await tracker.take_all([JobStarted(job_id=f"{number}", photo_info=BLOB) for number in range(20)])
        await taken.wait()
        assert [isinstance(outcome, TooMany) for outcome in taken.outcomes] == [False] * 9 + [True] * 11
        assert tracker.bytes <= LIMIT


async def test_facts_that_replace_others_take_no_more_memory() -> None:
    tracker = limited()
    async with tracker.keeping():
        await tracker.report(JobStarted(job_id="a"))
        for _ in range(50):
            await tracker.report(PhotoInfo(job_id="a", data=BLOB))
        assert tracker.bytes < 2 * weight(msgspec.json.encode(BLOB))


def size_of(value: Any) -> int:
    """Return the memory that a value takes, without what CPython shares."""
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    return sys.getsizeof(value) + sum(map(size_of, parts))


@given(json_objects)
def test_the_weight_of_facts_is_not_far_below_their_memory(facts: dict[str, Any]) -> None:
    document = msgspec.json.encode(facts)
    assert size_of(msgspec.json.decode(document)) < 3 * weight(document) + 500


@pytest.mark.parametrize("document", [b"[" + b"[]," * 9999 + b"[]]", b"[" + b"{}," * 9999 + b"{}]"])
def test_the_estimated_memory_of_tiny_values_is_not_too_low(document: bytes) -> None:
    assert size_of(msgspec.json.decode(document)) < 1.5 * weight(document)


def test_the_oldest_messages_are_dropped_from_a_full_tail() -> None:
    size = len(message(1).payload)
    tail = Tail("e", 1000, most_bytes=3 * size)
    for seq in range(1, 6):
        tail.extend([message(seq)])
    assert [each.seq for each in tail.since(Position("e", 2))] == [3, 4, 5]
