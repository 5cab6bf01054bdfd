"""Facts, errors and results of a job."""

import pytest

from phaseline.errors import TooLarge
from phaseline.model.events import (
    ErrorOccurred,
    JobCompleted,
    JobProgress,
    JobStarted,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.model.job import MAX_ERRORS, MAX_KEPT_BYTES
from phaseline.model.record import decode_job, encode_job
from phaseline.model.states import State
from tests.support.core_events import SECOND, WALL, everything_in, example_of, moment, photo_info
from tests.support.job_states import reported, started


def test_photo_info_is_added_to_the_facts_of_the_job() -> None:
    job = started(photo_info={"file_name": "IMG_001.CR3", "iso": 1})
    job.apply(PhotoInfo(job_id="job_1", data={"iso": 800, "context": "portrait"}), moment(1))
    assert job.info == {"file_name": "IMG_001.CR3", "iso": 800, "context": "portrait"}


def test_the_facts_of_a_photo_are_bounded_and_more_are_rejected() -> None:
    job = started()
    job.apply(photo_info(200_000, "a"), moment(1))
    before = everything_in(job)
    text = f"^photo_info with the new photo_data has 300015 bytes; allowed: at most {MAX_KEPT_BYTES}$"
    with pytest.raises(TooLarge, match=text):
        job.apply(photo_info(100_000, "b"), moment(2))
    assert everything_in(job) == before
    job.apply(photo_info(200_000, "a"), moment(3))


def test_the_photo_id_is_that_of_the_start_or_the_first_reported_one() -> None:
    job = started()
    job.apply(JobProgress(job_id="job_1", phase="importing", photo_id=456), moment(1))
    job.apply(JobProgress(job_id="job_1", phase="importing", photo_id=7), moment(2))
    assert reported(job, 2).photo_id == 456
    job.apply(JobCompleted(job_id="job_1"), moment(3))
    job.apply(JobStarted(job_id="job_1"), moment(4))
    assert reported(job, 4).photo_id is None
    assert started(photo_id="a").photo_id == "a"


def error(text: str, phase: str | None = None) -> ErrorOccurred:
    return ErrorOccurred(job_id="job_1", error_type="validation_error", text=text, details={"i": 1}, phase=phase)


def test_an_error_has_its_phase_and_time_and_does_not_end_the_job() -> None:
    job = started()
    job.apply(error("before any"), moment(1))
    job.apply(JobProgress(job_id="job_1", phase="exporting"), moment(2))
    job.apply(error("in the current one"), moment(3))
    job.apply(error("in another", "importing"), moment(4))
    assert [(each.text, each.phase) for each in job.errors] == [
        ("before any", None),
        ("in the current one", "exporting"),
        ("in another", "importing"),
    ]
    assert job.errors[0].at_ns == WALL + SECOND
    assert job.state is State.ACTIVE


def test_the_first_and_latest_of_too_many_errors_are_kept() -> None:
    job = started()
    for i in range(MAX_ERRORS + 50):
        job.apply(error(str(i)), moment(i))
    assert [each.text for each in job.errors] == [*map(str, range(MAX_ERRORS - 1)), str(MAX_ERRORS + 49)]


def test_the_first_and_latest_of_too_large_errors_are_kept() -> None:
    job = started()
    for i in range(9):
        job.apply(error(f"{i}" + "x" * 80_000), moment(i))
    assert [each.text[0] for each in job.errors] == ["0", "1", "8"]
    job.apply(error("small"), moment(10))
    assert [each.text[0] for each in job.errors] == ["0", "1", "8", "s"]


def test_the_largest_error_is_replaced_by_the_next() -> None:
    job = started()
    job.apply(error("x" * MAX_KEPT_BYTES), moment(1))
    job.apply(error("small"), moment(2))
    assert [each.text for each in job.errors] == ["small"]


def test_the_results_of_phases_are_kept_and_bounded() -> None:
    job = started(phases=("a", "b", "c"), workflow="w")
    for phase, result in (("a", {"n": 1}), ("b", {"large": "x" * MAX_KEPT_BYTES}), ("c", {})):
        job.apply(PhaseCompleted(job_id="job_1", phase=phase, result=result), moment(1))
    assert job.results == {"a": {"n": 1}, "b": None}
    job.apply(PhaseCompleted(job_id="job_1", phase="b", result={"n": 2}), moment(2))
    again = decode_job(encode_job(job), moment(3), same_clock=True)
    assert again.results == {"a": {"n": 1}, "b": {"n": 2}}
    assert again.results_bytes == len(b'{"n":1}') + len(b'{"n":2}')
    again.apply(JobCompleted(job_id="job_1"), moment(4))
    again.apply(example_of(JobStarted), moment(5))
    assert again.results == {}
