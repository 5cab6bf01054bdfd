"""A job's status and the frame with all of them."""

import json
from typing import Any

import msgspec
import pytest

from phaseline.model.events import (
    ErrorOccurred,
    Event,
    JobCompleted,
    JobFailed,
    JobProgress,
    JobStalled,
    JobStarted,
    PhaseCompleted,
)
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Snapshot
from phaseline.stream import Position
from phaseline.wire import JobStatus, encode_snapshot, job_status, timestamp
from tests.support.core_events import SECOND, moment
from tests.support.message_fields import ESTIMATED, QUEUE

SEEDS_KEYS = ["job_id", "photo_id", "current_stage", "progress", "elapsed_seconds", "stages_completed"]
STARTED = JobStarted(
    job_id="job_1", photo_id=456, photo_info={"file_name": "a.CR3"}, phases=("a", "b", "c"), series="s"
)
AT_WORK: tuple[Event, ...] = (
    STARTED,
    PhaseCompleted(job_id="job_1", phase="a"),
    JobProgress(job_id="job_1", phase="b", progress=25, text="half\nway"),
    ErrorOccurred(job_id="job_1", error_type="oops", text="no disk", details={"free": 0}),
)
ENDED = (*AT_WORK, JobCompleted(job_id="job_1", result={"score": 4}))
FAILED = (*AT_WORK, JobFailed(job_id="job_1", result={"error": "no disk"}, duration=2.5))


def snapshot_of(*events: Event, estimate: Estimate | None = None) -> Snapshot:
    job = Job("job_1")
    for second, event in enumerate(events):
        job.apply(event, moment(second))
    job.seq = 17
    return job.snapshot(moment(10), estimate or Estimate(40.0, 6 * SECOND, phase_percent=33.0), {"a": 2 * SECOND})


def status_of(*events: Event) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(msgspec.json.encode(job_status(snapshot_of(*events))))
    return read


def test_a_status_has_the_keys_of_the_photo_protocol_and_more() -> None:
    keys = list(status_of(*AT_WORK))
    assert [key for key in keys if key in SEEDS_KEYS] == SEEDS_KEYS
    assert keys == [
        *SEEDS_KEYS[:2],
        "photo_info",
        *SEEDS_KEYS[2:],
        *ESTIMATED,
        "message",
        "started_at",
        "completed_at",
        "success",
        "result",
        "duration",
        "cache_hit",
        "seq",
        "stages",
        "errors",
        "eta_reasons",
        "reason",
        "silent_seconds",
        "worker",
        "done",
        "total",
        "unit",
        "rate",
        "dismissed",
        *QUEUE,
        "orders",
        "pending_orders",
        "paused",
        "shortened",
    ]


def test_a_stalled_job_has_the_duration_of_the_silence() -> None:
    status = status_of(*AT_WORK, JobStalled(job_id="job_1", reason="worker gone"))
    assert (status["state"], status["reason"], status["silent_seconds"]) == ("stalled", "worker gone", 7)
    assert (status["eta_seconds"], status["finish_at"]) == (None, None)


def test_an_active_job_has_all_figures() -> None:
    status = status_of(*AT_WORK)
    stages, errors = status.pop("stages"), status.pop("errors")
    assert status.pop("eta_reasons") == []
    assert status == {
        "job_id": "job_1",
        "photo_id": 456,
        "photo_info": {"file_name": "a.CR3"},
        "current_stage": "b",
        "progress": 25,
        "elapsed_seconds": 10,
        "stages_completed": [{"stage": "a", "completed_at": timestamp(moment(1).wall_ns), "result": {}}],
        "name": "a.CR3",
        "worker": {},
        "done": None,
        "total": None,
        "unit": "",
        "rate": None,
        "workflow": "custom",
        "series": "s",
        "host": "",
        "state": "active",
        "percent": 40,
        "eta_seconds": 6,
        "eta_low_seconds": None,
        "eta_high_seconds": None,
        "finish_at": "2024-10-27T03:33:36.000Z",
        "finish_low_at": None,
        "finish_high_at": None,
        "eta_basis": "none",
        "eta_runs": 0,
        "stage_index": 2,
        "stage_count": 3,
        "message": "half\nway",
        "started_at": "2024-10-27T03:33:20.000Z",
        "completed_at": None,
        "success": None,
        "result": None,
        "duration": None,
        "cache_hit": False,
        "seq": 17,
        "reason": None,
        "silent_seconds": None,
        "dismissed": False,
        "queue": "",
        "position": None,
        "queued_at": None,
        "start_eta_seconds": None,
        "start_at": None,
        "orders": [],
        "pending_orders": [],
        "paused": False,
        "shortened": [],
    }
    assert stages == [
        {
            "name": "a",
            "state": "done",
            "started_at": "2024-10-27T03:33:20.000Z",
            "elapsed_seconds": 1,
            "average_seconds": 2,
            "progress": 100,
            "error": "",
            "measured": True,
        },
        {
            "name": "b",
            "state": "current",
            "started_at": "2024-10-27T03:33:22.000Z",
            "elapsed_seconds": 8,
            "average_seconds": None,
            "progress": 25,
            "error": "",
            "measured": True,
        },
        {
            "name": "c",
            "state": "pending",
            "started_at": None,
            "elapsed_seconds": 0,
            "average_seconds": None,
            "progress": None,
            "error": "",
            "measured": True,
        },
    ]
    assert errors == [
        {
            "error_type": "oops",
            "error_message": "no disk",
            "error_details": {"free": 0},
            "stage": "b",
            "timestamp": "2024-10-27T03:33:23.000Z",
        }
    ]


@pytest.mark.parametrize(
    ("events", "state", "success", "duration", "stage"),
    [(ENDED, "completed", True, 4, "completed"), (FAILED, "failed", False, 2.5, "failed")],
)
def test_an_ended_job_has_final_figures(
    events: tuple[Event, ...], state: str, success: bool, duration: float, stage: str
) -> None:
    status = status_of(*events)
    assert (status["state"], status["success"], status["current_stage"]) == (state, success, stage)
    assert (status["duration"], status["elapsed_seconds"], status["eta_seconds"]) == (duration, 4, 0)
    assert status["completed_at"] == "2024-10-27T03:33:24.000Z"
    assert status["percent"] == (100 if success else 0)


def test_a_phase_without_reported_progress_shows_the_estimate() -> None:
    assert status_of(STARTED, JobProgress(job_id="job_1", phase="b"))["progress"] == 33


@pytest.mark.parametrize("recovered", [None, False, True])
def test_the_frame_with_all_jobs_is_read_back_as_their_statuses(recovered: bool | None) -> None:
    snapshots = [snapshot_of(*events) for events in ((STARTED,), AT_WORK, ENDED, FAILED)]
    frame = encode_snapshot(snapshots, Position("e1", 17), moment(10).wall_ns, recovered=recovered)
    read = json.loads(frame)
    assert list(read)[:6] == ["type", "epoch", "seq", "server_time", "today", "jobs"]
    assert (read["type"], read["epoch"], read["seq"]) == ("snapshot", "e1", 17)
    assert read["server_time"] == "2024-10-27T03:33:30.000Z"
    assert read.get("recovered") is recovered
    assert ("recovered" in read) == (recovered is not None)
    assert [msgspec.convert(job, JobStatus) for job in read["jobs"]] == [job_status(each) for each in snapshots]


def test_a_server_without_jobs_sends_a_snapshot() -> None:
    assert json.loads(encode_snapshot([], Position("e1", 0), 0, recovered=None))["jobs"] == []
