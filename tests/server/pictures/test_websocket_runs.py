"""A picture's run over `/ws`: the quick start's messages with all fields, at a limited rate."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline.model.events import JobStarted
from phaseline.model.workflows import PICTURES, PicturePhase
from phaseline_server.pictures.redaction import Redaction
from phaseline_server.pictures.reporting import RunReporter
from tests.support.listening import Listener, listening
from tests.support.message_fields import COMMON, OWN, START
from tests.support.misbehaving import silence
from tests.support.pictures import BAD, GOOD, ask, forget_jobs, made, studio
from tests.support.servers import serving
from tests.support.tracking import MakeTracker, messages_of, trio_clock

Json = dict[str, Any]


# What follows the common fields of each message.
EXTRA = {
    "job_started": START,
    "job_progress": ["stage_elapsed_seconds"],
    "stage_completed": ["skipped", "stage_seconds", "average_seconds"],
}
PHASES = [*PICTURES.phases]


def check(received: list[Json]) -> None:
    """Check the properties of the messages of any run."""
    for message in received:
        kind = message["type"]
        fields = ["type", "job_id", "photo_id", *OWN[kind], "timestamp", *COMMON, *EXTRA.get(kind, [])]
        assert list(message) == fields
        assert message["timestamp"].endswith("Z")
        assert 0 <= message["percent"] <= 100
        assert (message["workflow"], message["series"], message["stage_count"]) == ("dalle", "simple", 7)
    assert [message["seq"] for message in received] == list(
        range(received[0]["seq"], received[0]["seq"] + len(received))
    )
    percents = [message["percent"] for message in received]
    assert percents == sorted(percents)


@pytest.mark.slow
async def test_a_run_is_published_in_the_messages_of_the_quick_start(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _), listening(client, "jobs", "photos") as listener:
        await ask(client, "/dalle/simple/0x1?generate=1")
        received = await listener.receive_until("job_completed")
        check(received)
        begun, ended = received[0], received[-1]
        assert begun["type"] == "job_started"
        assert (begun["job_id"], begun["photo_id"]) == ("dalle:simple:0x1", "0x1")
        assert begun["stages"] == PHASES
        assert (begun["state"], ended["state"]) == ("active", "completed")
        done = [message for message in received if message["type"] == "stage_completed"]
        assert [message["stage"] for message in done] == PHASES
        assert [message["stage"] for message in done if message["skipped"]] == ["enhance_prompt"]
        entered = list(dict.fromkeys(message["stage"] for message in received if message["type"] == "job_progress"))
        assert entered == [phase for phase in PHASES if phase != "enhance_prompt"]
        assert (ended["success"], ended["percent"], ended["eta_seconds"]) == (True, 100, 0)
        assert [each["stage"] for each in ended["stages_completed"]] == entered
        assert ended["result"]["picture"] == "output/simple/annotated/0x1.png"


async def test_a_failed_run_is_published_with_its_error(tmp_path: Path) -> None:
    async with studio(tmp_path, BAD) as (client, _), listening(client, "jobs") as listener:
        await ask(client, "/dalle/simple/0x1?generate=1")
        received = await listener.receive_until("job_failed")
        check(received)
        error, ended = received[-2:]
        assert (error["type"], error["error_type"], error["stage"]) == (
            "error_occurred",
            "PROVIDER_ERROR",
            "image_wait",
        )
        assert "no paint left" in error["error_message"]
        assert (ended["state"], ended["success"]) == ("failed", False)
        assert ended["result"] == {"error": error["error_message"], "code": "PROVIDER_ERROR", "stage": "image_wait"}


async def test_a_cancelled_run_is_published_as_failed_and_cancelled(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, _), listening(client, "jobs") as listener:
        await ask(client, "/dalle/simple/0x1?generate=1")
        await client.delete("/dalle/simple/0x1")
        received = await listener.receive_until("job_failed")
        check(received)
        assert (received[-1]["state"], received[-1]["result"]) == ("cancelled", {"error": "cancelled"})


@pytest.mark.slow
async def test_a_cache_hit_is_published(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
    forget_jobs(tmp_path)
    async with serving(tmp_path) as client, listening(client, "jobs") as listener:
        await ask(client, "/dalle/simple/0x1?generate=1")
        received = await listener.receive_until("job_completed")
        check(received)
        assert [message["type"] for message in received] == ["job_started", "job_completed"]
        assert received[0]["cache_hit"] is True


@pytest.mark.slow
async def test_all_subscribers_receive_the_same_messages(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        received: list[list[Json]] = []

        async def listen(listener: Listener) -> None:
            received.append(await listener.receive_until("job_completed"))

        async with listening(client, "jobs") as one, listening(client, "jobs") as two, trio.open_nursery() as nursery:
            nursery.start_soon(listen, one)
            nursery.start_soon(listen, two)
            await ask(client, "/dalle/simple/0x1?generate=1")
        assert received[0] == received[1]


def at_most_in_a_second(received: list[Json]) -> int:
    """Return how many job_progress came within the busiest second, by their timestamps."""

    times = [
        dt.datetime.fromisoformat(message["timestamp"]).timestamp()
        for message in received
        if message["type"] == "job_progress"
    ]
    return max(sum(begin <= time < begin + 1 for time in times) for begin in times)


@pytest.mark.slow
async def test_a_painted_run_reports_its_progress_at_most_ten_times_a_second(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "simple.json").write_text('{"detail": 1}')
    async with serving(tmp_path, picture_size="64x64") as client, listening(client, "jobs") as listener:
        await ask(client, "/dalle/simple/0x1?generate=1")
        received = await listener.receive_until("job_completed")
        check(received)
        assert at_most_in_a_second(received) <= 10


@pytest.mark.parametrize("seconds_each", [0.0, 0.1, 0.13, 0.26, 1.0])
async def test_a_reporter_never_reports_more_than_ten_times_a_second(
    make_tracker: MakeTracker, seconds_each: float, autojump_clock: trio.testing.MockClock
) -> None:

    tracker = await make_tracker(trio_clock)
    await tracker.report(JobStarted(job_id="a", workflow="dalle"))
    reporter = RunReporter(tracker, "a", Redaction())
    for phase in PicturePhase:
        async with reporter.during(phase, "begins"):
            for step in range(100):
                await trio.sleep(seconds_each / 100)
                await reporter.progress(step, "goes on")
    received = messages_of(tracker)
    assert at_most_in_a_second(received) <= 10
    reported = [message["progress"] for message in received if message["type"] == "job_progress"]
    assert len(reported) >= 7 + (20 if seconds_each == 1.0 else 0)
