"""Lenient decoding of frames."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.events import (
    EVENTS,
    ErrorOccurred,
    Event,
    JobStarted,
    PhaseCompleted,
)
from phaseline.model.events import JobProgress as Progressed
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Reason
from phaseline.stream import Position
from phaseline.wire import encode_message, encode_snapshot
from phaseline_tui.model.decoding import decode, statuses
from phaseline_tui.model.events import words_of
from phaseline_tui.model.frames import ConnectionEstablished, JobMessage, JobProgress, Snapshot
from phaseline_tui.model.ingest import from_status
from tests.support.core_events import SECOND, WALL, events_before, example_of, moment


def test_a_field_of_a_wrong_type_is_skipped_and_counted() -> None:
    data = {"type": "job_progress", "job_id": "j", "stage": "importing", "percent": "half", "eta_runs": 1.5}
    frame, ignored = decode(msgspec.json.encode(data))
    assert isinstance(frame, JobProgress)
    assert (frame.stage, frame.percent, frame.eta_runs, ignored) == ("importing", None, None, 2)


def test_a_broken_job_does_not_invalidate_the_snapshot() -> None:
    jobs = [{"job_id": "a"}, {"job_id": 7}, "job", {"job_id": "b", "stages": [{"name": "x"}, {"name": None}, 3]}]
    frame, ignored = decode(msgspec.json.encode({"type": "snapshot", "jobs": jobs}))
    assert isinstance(frame, Snapshot)
    found = list(statuses(frame))
    kept = [status for status, _ in found if status is not None]
    assert [job.job_id for job in kept] == ["a", "b"]
    assert [stage.name for stage in kept[1].stages] == ["x"]
    assert (ignored, [count for _, count in found]) == (0, [0, 1, 1, 2])


def test_a_snapshot_with_a_field_of_a_wrong_type_keeps_its_jobs() -> None:
    frame, ignored = decode(b'{"type": "snapshot", "seq": "seven", "jobs": [{"job_id": "a"}, {"job_id": 7}]}')
    assert isinstance(frame, Snapshot)
    assert [status.job_id for status, _ in statuses(frame) if status is not None] == ["a"]
    assert ignored == 1


def test_every_field_of_a_servers_job_is_decoded() -> None:
    job = Job("job_1")
    events: tuple[Event, ...] = (
        JobStarted(job_id="job_1", photo_id=456, phases=("a", "b"), series="s"),
        PhaseCompleted(job_id="job_1", phase="a"),
        Progressed(job_id="job_1", phase="b", progress=25, text="half way"),
        ErrorOccurred(job_id="job_1", error_type="oops", text="no disk", details={"free": 0}),
    )
    for second, event in enumerate(events):
        job.apply(event, moment(second))
    why = Reason(1, 9 * SECOND, "b is 1.6x its usual length: +9.0 s")
    described = job.snapshot(moment(10), Estimate(40.0, 6 * SECOND, phase_percent=33.0), {"a": 2 * SECOND}, (why,))
    frame, ignored = decode(encode_snapshot([described], Position("e1", 7), 1, recovered=None))
    assert isinstance(frame, Snapshot)
    [(status, not_decoded)] = statuses(frame)
    assert status is not None
    assert (ignored, not_decoded) == (0, 0)
    assert [reason.text for reason in status.eta_reasons] == [why.text]
    assert from_status(status, 0.0, "e1").reasons == (why.text,)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: str(kind.__struct_config__.tag))
def test_every_message_of_a_server_is_decoded(kind: type[Event]) -> None:
    job = Job("job_1")
    started = JobStarted(job_id="job_1", photo_id=456, phases=("a", "b"), series="s", orders=("cancel",))
    event = example_of(kind)
    for second, each in enumerate([*events_before(kind, started), event]):
        job.apply(each, moment(second))
    encoded = encode_message(event, job.snapshot(moment(3), Estimate(40.0, 6 * SECOND), {}), 8, "e1", WALL)
    frame, ignored = decode(encoded)
    assert isinstance(frame, JobMessage)
    assert ignored == 0
    assert all(text.isprintable() for text in words_of(frame))
    assert words_of(frame).kind


def test_null_means_unknown() -> None:
    data = {"type": "job_progress", "job_id": "j"} | dict.fromkeys(("stage", "message", "series", "eta_seconds", "seq"))
    frame, ignored = decode(msgspec.json.encode(data))
    assert isinstance(frame, JobProgress)
    assert ignored == 0


def test_unknown_fields_are_ignored() -> None:
    frame, ignored = decode(b'{"type": "connection_established", "protocol": 1, "colour": "blue"}')
    assert isinstance(frame, ConnectionEstablished)
    assert (frame.protocol, ignored) == (1, 0)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400, "NaN", "Infinity"])
def test_absurd_numbers_are_ignored(number: str) -> None:
    frame, ignored = decode(f'{{"type": "job_progress", "job_id": "j", "percent": {number}}}')
    assert ignored == 1
    assert frame is None or (isinstance(frame, JobProgress) and frame.percent is None)


@given(st.one_of(st.text(), st.binary()))
def test_any_bytes_can_be_decoded(data: str | bytes) -> None:
    frame, ignored = decode(data)
    assert (frame is None) == (ignored == 1) or frame is not None
