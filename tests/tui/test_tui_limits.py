"""The view's limits for any server: jobs, bytes, and the length of each message."""

import queue
import threading
from typing import Any

import msgspec
import pytest

from phaseline_tui.drawing.chrome import cut_notice
from phaseline_tui.link import Links
from phaseline_tui.link.snapshots import convert
from phaseline_tui.model import state as state_module
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch
from phaseline_tui.model.decoding import decode
from phaseline_tui.model.frames import ErrorOccurred, Frame, JobProgress, JobStalled, PhotoInfo, Snapshot
from phaseline_tui.model.jobs import State
from phaseline_tui.model.limits import bounded, size_of
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import frame
from tests.support.tui_links import following
from tests.support.tui_server import PlayedServer


def started(number: int) -> Any:
    clock = f"2026-11-09T{10 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return frame({"type": "job_started", "job_id": f"j{number}", "state": "active", "timestamp": clock})


def test_endless_jobs_at_work_are_bounded_and_the_oldest_stay() -> None:
    state = ViewState(most_jobs=50)
    for number in range(200):
        state.apply([started(number)], 1000.0, "box")
    assert [key.job_id for key in state.visible] == [f"j{number}" for number in range(50)]
    assert len(state.jobs) == state.counts.total() == 50
    assert state.cut == {"box"}


def test_ended_jobs_are_dropped_before_jobs_at_work() -> None:
    state = ViewState(most_jobs=2)
    done = {"type": "job_completed", "job_id": "j0", "state": "completed", "timestamp": "2026-11-09T18:00:00Z"}
    state.apply([started(0), frame(done), started(1), started(2)], 1000.0)
    assert [key.job_id for key in state.visible] == ["j1", "j2"]
    assert not state.cut


def test_jobs_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_BYTES", 100_000)
    state = ViewState()
    for number in range(40):
        error = {"type": "error_occurred", "job_id": f"j{number}", "error_message": "x" * 1900}
        state.apply([started(number), *[frame(error)] * 4], 1000.0)
    assert 0 < len(state.jobs) < 15
    assert sum(size_of(job) for job in state.jobs.values()) <= 100_000
    assert state.cut


def test_an_overlong_text_or_fact_is_cut() -> None:
    error = frame({"type": "error_occurred", "job_id": "a", "error_message": "x" * 900_000, "error_details": "y" * 9})
    bounded(error)
    assert isinstance(error, ErrorOccurred)
    assert error.error_message is not None
    assert (len(error.error_message), error.error_message[-1], error.error_details) == (4000, "…", "y" * 9)
    facts = frame({"type": "photo_info", "job_id": "a", "photo_data": {"exif": ["z" * 1000] * 100, "iso": 800}})
    bounded(facts)
    assert isinstance(facts, PhotoInfo)
    assert facts.photo_data == {"…": "100320 bytes, more than this view keeps"}


def encoded(jobs: list[dict[str, Any]]) -> Snapshot:
    found, ignored = decode(msgspec.json.encode({"type": "snapshot", "seq": 9, "jobs": jobs}))
    assert isinstance(found, Snapshot)
    assert ignored == 0
    return found


@pytest.mark.slow
async def test_of_a_huge_snapshot_the_jobs_at_work_and_the_latest_ends_are_kept() -> None:
    clock = [f"2026-11-09T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in range(40_000)]
    ended = [{"job_id": f"d{n}", "state": "completed", "completed_at": at} for n, at in enumerate(clock)]
    active = [{"job_id": f"a{n}", "state": "active"} for n in range(300)]
    found, ignored = await convert(encoded([*ended, *active]), 1000.0, "box")
    assert (len(found.views), found.left_out, ignored) == (10_000, 30_300, 0)
    assert [job.job_id for job in found.views if job.state is State.ACTIVE] == [f"a{n}" for n in range(300)]
    assert {job.job_id for job in found.views} >= {f"d{n}" for n in range(30_301, 40_000)}
    state = ViewState()
    state.apply([found], 1000.0, "box")
    assert (len(state.jobs), state.cut) == (10_000, {"box"})
    state.apply([(await convert(encoded(active), 1000.0, "box"))[0]], 1000.0, "box")
    assert (len(state.jobs), state.cut) == (300, set())


async def test_a_snapshot_of_large_jobs_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_tui.link.snapshots.MAX_BYTES", 1_000_000)
    jobs = [{"job_id": f"a{n}", "state": "active", "message": "m", "result": "r" * 10_000} for n in range(300)]
    found, _ = await convert(encoded(jobs), 1000.0, "box")
    assert 0 < len(found.views) < 600
    assert len(found.views) + found.left_out == 300
    assert sum(job.size for job in found.views) <= 1_000_000


def test_a_snapshot_is_converted_before_it_is_delivered_and_messages_after_it_stay_after_it() -> None:
    jobs = [{"job_id": f"j{n}", "seq": 5, "epoch": "e1"} for n in range(500)]
    with PlayedServer(jobs) as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        progress = {"type": "job_progress", "job_id": "j1", "stage": "late", "seq": 99, "epoch": "e1"}
        server.send(progress, {**progress, "message": "x" * 500_000, "stage": "later", "seq": 100})
        recorder.wait(lambda: any(isinstance(each, JobProgress) and each.stage == "later" for each in recorder.frames))
        frames = list(recorder.frames)
    state = ViewState()
    state.apply(frames, 1000.0, "127.0.0.1")
    assert len(state.jobs) == 500
    assert max(len(each.message or "") for each in frames if isinstance(each, JobProgress)) <= 4000


@pytest.mark.slow
def test_a_fast_server_waits_until_its_messages_are_applied() -> None:
    received: queue.SimpleQueue[tuple[Batch, ...]] = queue.SimpleQueue()
    messages = [{"type": "job_stalled", "job_id": f"j{n}"} for n in range(6_000)]
    with PlayedServer([]) as server:
        links = Links([ServerAddress.parse(server.url)], received.put, waits=True)
        links.start()
        try:
            server.wait_subscribed()
            sender = threading.Thread(target=server.send, args=messages)
            sender.start()
            frames: list[Frame] = []
            while len([each for each in frames if isinstance(each, JobStalled)]) < len(messages):
                batches = received.get(timeout=60)
                assert received.empty()
                assert all(len(batch.frames) <= 1_001 for batch in batches)
                frames += [each for batch in batches for each in batch.frames]
                links.applied()
            sender.join()
        finally:
            links.stop()


def test_the_screen_shows_that_jobs_are_omitted() -> None:
    assert "some are not listed" in cut_notice(100)[0][0]
