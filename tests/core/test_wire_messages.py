"""Messages of the photo protocol: its own fields first and in its order, then Phaseline's."""

import json
import re
from datetime import datetime
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.events import (
    EVENTS,
    ErrorOccurred,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLost,
    JobProgress,
    JobStalled,
    JobStarted,
    MetricsReported,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate
from phaseline.stream import channels_of
from phaseline.wire import encode_message, timestamp
from phaseline.wire.message import eta_seconds, seconds
from tests.support.core_events import SECOND, WALL, moment
from tests.support.message_fields import COMMON, OWN, START

J = "job_12345"
STARTED = JobStarted(job_id=J, photo_id=456, photo_info={"file_name": "IMG_001.CR3"}, series="wedding", host="box")
AT_WORK = JobProgress(job_id=J, phase="exif_analysis", progress=10)
ESTIMATE = Estimate(37.246, 12_345_678_901, 10 * SECOND, 20 * SECOND, "history", 4, 26.0, 2 * SECOND)
# An event of each message, and the fields after the common ones.
MESSAGES: list[tuple[Event, list[str]]] = [
    (
        STARTED,
        START,
    ),
    (
        JobProgress(job_id=J, phase="exif_analysis", progress=25, text="Analyzing…", details={"iso": 800}),
        [],
    ),
    (
        PhaseCompleted(job_id=J, phase="exif_analysis", result={"iso": 800}),
        ["skipped", "stage_seconds", "average_seconds"],
    ),
    (
        PhotoInfo(job_id=J, data={"exif": {}}),
        [],
    ),
    (
        ErrorOccurred(job_id=J, error_type="validation_error", text="Invalid", details={"field": "exposure"}),
        [],
    ),
    (
        JobCompleted(job_id=J, result={"preset_applied": "v4"}, duration=15.5),
        [],
    ),
    (
        JobFailed(job_id=J, result={"error": "File not found"}, duration=5.2),
        [],
    ),
]
by_kind = pytest.mark.parametrize(("event", "extra"), MESSAGES, ids=lambda value: getattr(value, "type", ""))


def first(kind: str) -> list[str]:
    """Return the fields of the photo protocol, with which a message begins."""
    return ["type", "job_id", "photo_id", *OWN[kind], "timestamp"]


def message(event: Event, *before: Event, averages: dict[str, int] | None = None) -> dict[str, Any]:
    """Return the message of `event`, at 5.5 s, after those `before` it, one per second, as a client reads it."""
    job = Job(event.job_id)
    for second, each in enumerate(before):
        job.apply(each, moment(second))
    now = moment(5.5)
    job.apply(event, now)
    document = encode_message(event, job.snapshot(now, ESTIMATE, averages or {}), 81, "e1", now.wall_ns)
    read: dict[str, Any] = json.loads(document)
    return read


def at_work(event: Event, averages: dict[str, int] | None = None) -> dict[str, Any]:
    return message(event, *(() if isinstance(event, JobStarted) else (STARTED, AT_WORK)), averages=averages)


@by_kind
def test_a_message_has_the_fields_of_the_photo_protocol_first(event: Event, extra: list[str]) -> None:
    assert list(at_work(event)) == [*first(event.type), *COMMON, *extra]


@by_kind
def test_every_message_names_its_job_its_photo_and_its_time(event: Event, extra: list[str]) -> None:
    sent = at_work(event)
    assert (sent["type"], sent["job_id"], sent["photo_id"]) == (event.type, J, 456)
    assert sent["timestamp"] == "2024-10-27T03:33:25.500Z"


def test_the_added_fields_have_hand_computed_values() -> None:
    sent = at_work(MESSAGES[1][0])
    assert {key: sent[key] for key in COMMON} == {
        "seq": 81,
        "epoch": "e1",
        "name": "IMG_001.CR3",
        "workflow": "photo",
        "series": "wedding",
        "host": "box",
        "state": "active",
        "percent": 37.25,
        "eta_seconds": 12.346,
        "eta_low_seconds": 10,
        "eta_high_seconds": 20,
        "finish_at": "2024-10-27T03:33:37.845Z",
        "finish_low_at": "2024-10-27T03:33:35.500Z",
        "finish_high_at": "2024-10-27T03:33:45.500Z",
        "eta_basis": "history",
        "eta_runs": 4,
        "stage_index": 2,
        "stage_count": 8,
        "elapsed_seconds": 5.5,
    }


def test_the_fields_of_the_picture_api_have_hand_computed_values() -> None:
    sent = {type(event): at_work(event) for event, _ in MESSAGES}
    assert sent[JobStarted]["photo_info"] == {"file_name": "IMG_001.CR3"}
    progress = sent[JobProgress]
    assert [progress[key] for key in ("stage", "progress", "message", "details")] == [
        "exif_analysis",
        25,
        "Analyzing…",
        {"iso": 800},
    ]
    assert [sent[PhaseCompleted][key] for key in ("stage", "result")] == ["exif_analysis", {"iso": 800}]
    assert sent[PhotoInfo]["photo_data"] == {"exif": {}}
    error = sent[ErrorOccurred]
    assert [error[key] for key in ("error_type", "error_message", "error_details", "stage")] == [
        "validation_error",
        "Invalid",
        {"field": "exposure"},
        None,
    ]
    end = sent[JobCompleted]
    assert [end[key] for key in ("success", "result", "duration", "stages_completed", "state", "percent")] == [
        True,
        {"preset_applied": "v4"},
        15.5,
        [{"stage": "exif_analysis", "completed_at": ANY, "result": {}}],
        "completed",
        100,
    ]
    failed = sent[JobFailed]
    assert [failed[key] for key in ("success", "result", "duration", "state", "eta_seconds")] == [
        False,
        {"error": "File not found"},
        5.2,
        "failed",
        0,
    ]


def test_a_start_message_has_the_stages_and_their_averages() -> None:
    sent = at_work(STARTED, {"importing": 1_234_567_890, "exporting": 2 * SECOND})
    assert sent["stages"][0] == "importing"
    assert len(sent["stages"]) == 8
    assert sent["averages"] == {"importing": 1.235, "exporting": 2}
    assert sent["cache_hit"] is False


def test_the_end_of_a_stage_has_its_duration_and_its_average() -> None:
    sent = at_work(PhaseCompleted(job_id=J, phase="exif_analysis"), {"exif_analysis": 3 * SECOND})
    assert [sent[key] for key in ("skipped", "stage_seconds", "average_seconds")] == [False, 4.5, 3]
    skipped = at_work(PhaseCompleted(job_id=J, phase="exporting", skipped=True))
    assert [skipped[key] for key in ("skipped", "stage_seconds", "average_seconds")] == [True, 0, None]
    assert at_work(PhaseCompleted(job_id=J, phase="completed"))["stage_seconds"] is None


def test_progress_without_a_number_has_the_estimate() -> None:
    assert at_work(JobProgress(job_id=J, phase="exif_analysis"))["progress"] == 26


def test_an_end_without_a_duration_has_the_measured_one() -> None:
    assert at_work(JobCompleted(job_id=J))["duration"] == 5.5
    assert at_work(JobFailed(job_id=J))["duration"] == 5.5


def test_a_cancelled_job_is_published_as_failed() -> None:
    sent = at_work(JobCancelled(job_id=J, reason="by hand"))
    assert list(sent) == [*first("job_failed"), *COMMON]
    assert (sent["type"], sent["state"], sent["success"]) == ("job_failed", "cancelled", False)
    assert sent["result"] == {"error": "by hand"}


@pytest.mark.parametrize("event", [MetricsReported(job_id=J, metrics={"cpu": 3}), JobStalled(job_id=J)])
def test_a_message_outside_the_photo_protocol_has_the_common_fields(event: Event) -> None:
    sent = at_work(event)
    own = ["metrics"] if isinstance(event, MetricsReported) else []
    last = ["reason", "silent_seconds", "stage_elapsed_seconds"] if isinstance(event, JobStalled) else []
    assert list(sent) == ["type", "job_id", "photo_id", *own, "timestamp", *COMMON, *last]


def test_a_stalled_job_has_the_duration_of_the_silence() -> None:
    sent = at_work(JobStalled(job_id=J, reason="worker gone"))
    assert (sent["reason"], sent["silent_seconds"], sent["eta_seconds"]) == ("worker gone", 4.5, None)
    assert sent["stage_elapsed_seconds"] == 4.5
    sent = at_work(JobLost(job_id=J))
    assert (sent["reason"], sent["stage_elapsed_seconds"], sent["elapsed_seconds"]) == ("silent", 0, 1)


def test_only_photo_info_is_published_to_photos() -> None:
    for kind in EVENTS:
        channels = channels_of(str(kind.__struct_config__.tag), J)
        assert channels == {"photos" if kind is PhotoInfo else "jobs", f"job:{J}"}


# ---------------------------------------------------------------------- times


@given(st.integers(0, 253_402_300_799_999_999_999))
def test_a_timestamp_is_rfc_3339_in_utc_to_the_millisecond(wall_ns: int) -> None:
    text = timestamp(wall_ns)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    read = datetime.fromisoformat(text)
    assert read.tzinfo is not None
    assert round(read.timestamp() * 1000) == wall_ns // 1_000_000


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (WALL, "2024-10-27T03:33:20.000Z"),
        (WALL + 999_999_999, "2024-10-27T03:33:20.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_399 * SECOND + 1_500_000, "2000-02-28T23:59:59.001Z"),
    ],
)
def test_timestamps_have_hand_computed_values(wall_ns: int, text: str) -> None:
    assert timestamp(wall_ns) == text


def test_seconds_have_hand_computed_values() -> None:
    assert [seconds(each) for each in (None, 0, 1, 499_999, 1_500_000, SECOND)] == [None, 0, 0, 0, 0.002, 1]
    assert [eta_seconds(each) for each in (None, 0, 1, 499_999, 1_500_000, SECOND)] == [None, 0, 0.001, 0.001, 0.002, 1]
