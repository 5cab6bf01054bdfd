"""The counts of the server's local day, in every snapshot of the stream."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phaseline.model.events import JobCancelled, JobCompleted, JobDismissed, JobFailed, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline_server.jobs.local_day import day_before, day_of
from phaseline_server.jobs.today import Today
from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown
from tests.support.tracking import HandClock, MakeTracker

HOUR_NS = 3600 * 10**9


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The local time zone, until the end of the test."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def text(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 10**9, UTC).isoformat().removesuffix("+00:00") + "Z"


@pytest.mark.parametrize(
    ("zone", "at", "since", "until"),
    [
        ("UTC", "2026-11-29T07:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("UTC", "2026-11-29T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("Asia/Tokyo", "2026-11-29T16:00:00Z", "2026-11-29T15:00:00Z", "2026-11-30T15:00:00Z"),
        # Days of 23 and 25 hours.
        ("Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-25T22:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-11-01T06:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        # Here the clocks skip midnight, so that the day begins at one o'clock.
        ("Asia/Beirut", "2025-03-30T10:00:00Z", "2025-03-29T22:00:00Z", "2025-03-30T21:00:00Z"),
        # Here they show an hour before midnight twice.
        ("Asia/Beirut", "2025-10-25T21:30:00Z", "2025-10-24T21:00:00Z", "2025-10-25T22:00:00Z"),
    ],
    indirect=["zone"],
)
def test_a_day_lasts_from_midnight_to_midnight_also_when_clocks_change(
    zone: str, at: str, since: str, until: str
) -> None:
    day = day_of(ns(at))
    assert (text(day.since_ns), text(day.until_ns)) == (since, until)
    assert ns(at) in day
    assert day_of(day.until_ns).since_ns == day.until_ns
    assert day_before(day_of(day.until_ns)) == day


def run(clock: HandClock, kind: type[JobCompleted] | type[JobFailed] | type[JobCancelled]) -> Job:
    job = Job("a")
    job.apply(JobStarted(job_id="a"), clock())
    job.apply(kind(job_id="a"), clock())
    return job


def counts(today: Today, now: Moment) -> tuple[int, int, int]:
    status = today.status(now)
    return status.completed, status.failed, status.cancelled


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
def test_counts_are_reset_at_midnight(zone: str) -> None:
    clock = HandClock()
    clock.wall_ns = ns("2026-10-25T21:00:00Z")  # a day of 25 hours, two hours before its end
    today = Today(clock(), {"completed": 7, "failed": 2})
    today.count([run(clock, JobCompleted), run(clock, JobCancelled)], [], clock())
    assert counts(today, clock()) == (8, 2, 1)
    clock.advance(7199)
    late = run(clock, JobFailed)
    clock.advance(1)
    assert counts(today, clock()) == (0, 0, 0)
    assert (today.status(clock()).since, today.status(clock()).until) == (
        "2026-10-25T23:00:00.000Z",
        "2026-10-26T23:00:00.000Z",
    )
    today.count([late, run(clock, JobFailed)], [], clock())  # jobs that ended before midnight belong to that day
    assert counts(today, clock()) == (0, 1, 0)
    clock.jump(-60)
    assert counts(today, clock()) == (0, 1, 0)


async def test_ends_and_dismissals_change_the_counts(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    for number, kind in enumerate((JobCompleted, JobFailed, JobFailed, JobCancelled)):
        await tracker.report(JobStarted(job_id=f"{number}"))
        await tracker.report(kind(job_id=f"{number}"))
    for number in (0, 1, 3):
        await tracker.dismiss(JobDismissed(job_id=f"{number}"))
    today = json.loads((await tracker.state()).frame(recovered=None))["today"]
    assert (today["completed"], today["failed"], today["cancelled"]) == (1, 1, 1)


async def test_the_day_so_far_is_counted_from_the_log_at_a_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(4):
            await client.post("/progress/start", json={"job_id": f"{number}", "age_seconds": 3 * 86_400})
            age = 2 * 86_400 if number == 3 else 0
            body = {"job_id": f"{number}", "success": number == 0, "age_seconds": age}
            await client.post("/progress/complete", json=body)
        await client.post("/progress/dismiss", json={"job_id": "1"})
        await client.post("/progress/start", json={"job_id": "1"})
    async with serving(tmp_path) as client:
        headers = {"Accept": "application/x-ndjson"}
        line = json.loads((await client.get("/progress/events?since=none/1", headers=headers)).content)
        assert (line["type"], line["today"]["completed"], line["today"]["failed"]) == ("snapshot", 1, 1)
        assert day_of(time.time_ns()).since_ns == ns(line["today"]["since"])


async def test_a_token_with_a_prefix_does_not_receive_the_counts_of_all_jobs(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        for caller, known in (("read", True), ("read:shot-", False)):
            headers = shown(tokens, caller) | {"Accept": "application/x-ndjson"}
            answer = await client.get("/progress/events?since=none/1", headers=headers)
            assert (json.loads(answer.content)["today"] is not None) is known
