"""Decoding: forgiving with what it can't use, and never a crash."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline_tui.decoding import decode, statuses
from phaseline_tui.frames import ConnectionEstablished, JobProgress, Snapshot


def test_a_field_of_a_wrong_type_is_left_out_and_counted() -> None:
    data = {"type": "job_progress", "job_id": "j", "stage": "importing", "percent": "half", "eta_runs": 1.5}
    frame, ignored = decode(msgspec.json.encode(data))
    assert isinstance(frame, JobProgress)
    assert (frame.stage, frame.percent, frame.eta_runs, ignored) == ("importing", None, None, 2)


def test_one_broken_job_does_not_take_the_snapshot_with_it() -> None:
    jobs = [{"job_id": "a"}, {"job_id": 7}, "job", {"job_id": "b", "stages": [{"name": "x"}, {"name": None}, 3]}]
    frame, ignored = decode(msgspec.json.encode({"type": "snapshot", "jobs": jobs}))
    assert isinstance(frame, Snapshot)
    found = list(statuses(frame))
    told = [status for status, _ in found if status is not None]
    assert [job.job_id for job in told] == ["a", "b"]
    assert [stage.name for stage in told[1].stages] == ["x"]
    assert (ignored, [count for _, count in found]) == (0, [0, 1, 1, 2])


def test_a_snapshot_with_a_field_of_a_wrong_type_has_its_jobs() -> None:
    frame, ignored = decode(b'{"type": "snapshot", "seq": "seven", "jobs": [{"job_id": "a"}, {"job_id": 7}]}')
    assert isinstance(frame, Snapshot)
    assert [status.job_id for status, _ in statuses(frame) if status is not None] == ["a"]
    assert ignored == 1


def test_null_stands_for_what_is_not_known() -> None:
    data = {"type": "job_progress", "job_id": "j"} | dict.fromkeys(("stage", "message", "series", "eta_seconds", "seq"))
    frame, ignored = decode(msgspec.json.encode(data))
    assert isinstance(frame, JobProgress)
    assert ignored == 0


def test_fields_of_tomorrow_are_passed_over() -> None:
    frame, ignored = decode(b'{"type": "connection_established", "protocol": 1, "colour": "blue"}')
    assert isinstance(frame, ConnectionEstablished)
    assert (frame.protocol, ignored) == (1, 0)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400, "NaN", "Infinity"])
def test_absurd_numbers_are_ignored(number: str) -> None:
    frame, ignored = decode(f'{{"type": "job_progress", "job_id": "j", "percent": {number}}}')
    assert ignored == 1
    assert frame is None or (isinstance(frame, JobProgress) and frame.percent is None)


@given(st.one_of(st.text(), st.binary()))
def test_no_bytes_break_decoding(data: str | bytes) -> None:
    frame, ignored = decode(data)
    assert (frame is None) == (ignored == 1) or frame is not None
