"""The state of a job: what it stores and rejects, its end and its restart."""

from math import inf, nan

import pytest

from phaseline.errors import IllegalEvent, InvalidField
from phaseline.model.events import (
    ErrorOccurred,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLost,
    JobProgress,
    JobResumed,
    JobStalled,
    JobStarted,
    PhotoInfo,
    StallReason,
)
from phaseline.model.job import Job
from phaseline.model.record import decode_job, encode_job
from phaseline.model.snapshot import Estimate
from phaseline.model.states import State
from phaseline.model.transitions import check
from tests.support.core_events import SECOND, WALL, everything_in, moment
from tests.support.job_states import reported, started


@pytest.mark.parametrize("progress", [nan, inf, -inf, -1, -0.001, 100.001, 101])
def test_progress_out_of_range_is_rejected_and_changes_nothing(progress: float) -> None:
    job = started()
    before = everything_in(job)
    with pytest.raises(InvalidField, match=r"^progress is .*; allowed: a number from 0 to 100$"):
        job.apply(JobProgress(job_id="job_1", phase="importing", progress=progress), moment(1))
    assert everything_in(job) == before


@pytest.mark.parametrize("progress", [0, 100, 0.001, 25.5, None])
def test_progress_within_range_is_accepted(progress: float | None) -> None:
    job = started()
    job.apply(JobProgress(job_id="job_1", phase="importing", progress=progress), moment(1))
    assert job.phases[0].progress == progress


@pytest.mark.parametrize("duration", [nan, inf, -0.1])
@pytest.mark.parametrize("kind", [JobCompleted, JobFailed])
def test_an_invalid_duration_is_rejected_and_changes_nothing(kind: type[JobCompleted], duration: float) -> None:
    job = started()
    before = everything_in(job)
    with pytest.raises(InvalidField, match=r"^duration is .*; allowed: a number of seconds, 0 or more$"):
        job.apply(kind(job_id="job_1", duration=duration), moment(1))
    assert everything_in(job) == before


def test_a_contradictory_end_is_rejected_and_changes_nothing() -> None:
    job = started()
    before = everything_in(job)
    with pytest.raises(InvalidField, match=r"^success is False; allowed: true in job_completed; "):
        job.apply(JobCompleted(job_id="job_1", success=False), moment(1))
    with pytest.raises(InvalidField, match=r"^success is True; allowed: false in job_failed; "):
        job.apply(JobFailed(job_id="job_1", success=True), moment(1))
    assert everything_in(job) == before


def test_a_completed_job_has_no_remaining_work() -> None:
    job = started()
    job.apply(JobCompleted(job_id="job_1", result={"score": 4}, duration=3.5), moment(4))
    snapshot = reported(job, 100)
    assert (snapshot.state, snapshot.estimate.percent, snapshot.estimate.remaining_ns) == (State.COMPLETED, 100, 0)
    assert (snapshot.elapsed_ns, snapshot.ended_ns) == (4 * SECOND, WALL + 4 * SECOND)
    assert (snapshot.result, snapshot.duration, snapshot.error) == ({"score": 4}, 3.5, "")
    assert (snapshot.estimate.basis, snapshot.estimate.runs) == ("history", 3)


@pytest.mark.parametrize(
    ("event", "state", "error"),
    [
        (JobFailed(job_id="job_1", result={"error": "File not found"}), State.FAILED, "File not found"),
        (JobFailed(job_id="job_1"), State.FAILED, "failed"),
        (JobFailed(job_id="job_1", result={"error": ""}), State.FAILED, "failed"),
        (JobFailed(job_id="job_1", result={"error": {"code": 7}}), State.FAILED, "{'code': 7}"),
        (JobCancelled(job_id="job_1", reason="by hand"), State.CANCELLED, "by hand"),
        (JobCancelled(job_id="job_1", reason=""), State.CANCELLED, "cancelled"),
    ],
)
def test_a_failed_job_has_a_reason_and_stays_below_100_percent(
    event: JobFailed | JobCancelled, state: State, error: str
) -> None:
    job = started()
    reported(job, 1, percent=100)
    job.apply(event, moment(2))
    snapshot = reported(job, 3, percent=100)
    assert (snapshot.state, snapshot.error, snapshot.estimate.percent) == (state, error, 99.9)
    assert (snapshot.estimate.remaining_ns, snapshot.estimate.low_ns, snapshot.estimate.high_ns) == (0, 0, 0)


@pytest.mark.parametrize("percent", [nan, -inf, inf, -5, 1e300])
def test_percent_is_from_0_to_100_for_any_engine(percent: float) -> None:
    job = started()
    reported(job, 1, percent=40)
    assert 40 <= reported(job, 2, percent=percent).estimate.percent <= 99.9


def test_percent_never_falls_within_a_run_and_starts_again_with_the_next() -> None:
    job = started()
    assert [reported(job, i, percent).estimate.percent for i, percent in enumerate([10, 40, 30, 41])] == [
        10,
        40,
        40,
        41,
    ]
    job.apply(JobFailed(job_id="job_1"), moment(5))
    assert reported(job, 6).estimate.percent == 41
    job.apply(JobStarted(job_id="job_1"), moment(7))
    assert reported(job, 8, 5).estimate.percent == 5


def test_a_restarted_job_only_keeps_the_number_of_its_last_run() -> None:
    fresh = Job("job_1")
    fresh.apply(JobStarted(job_id="job_1", series="b"), moment(9))
    job = started(series="a", photo_info={"iso": 800}, photo_id=1, host="box", cache_hit=True)
    job.seq = fresh.seq = 17
    events: list[Event] = [
        JobProgress(job_id="job_1", phase="exporting", progress=50, text="hm"),
        ErrorOccurred(job_id="job_1", error_type="x", text="y"),
        PhotoInfo(job_id="job_1", data={"a": 1}),
        JobFailed(job_id="job_1", result={"error": "z"}, duration=1),
    ]
    for second, event in enumerate(events):
        job.apply(event, moment(second))
        reported(job, second, 70)
    job.apply(JobStarted(job_id="job_1", series="b"), moment(9))
    assert everything_in(job) == everything_in(fresh)


def test_any_report_makes_a_lost_job_active_again_where_it_was() -> None:
    job = started(phases=("a", "b"))
    job.apply(JobProgress(job_id="job_1", phase="a"), moment(1))
    reported(job, 2, 30)
    job.apply(JobStalled(job_id="job_1"), moment(3))
    job.apply(JobLost(job_id="job_1"), moment(4))
    lost = reported(job, 5, 35)
    assert (lost.state, lost.phase, lost.estimate.percent, lost.elapsed_ns) == (State.LOST, "a", 30, 1 * SECOND)
    job.apply(JobProgress(job_id="job_1", phase="a", progress=50), moment(9))
    snapshot = reported(job, 10, 20)
    assert (snapshot.state, snapshot.estimate.percent, snapshot.elapsed_ns) == (State.ACTIVE, 30, 10 * SECOND)
    assert snapshot.phases[0].elapsed_ns == 9 * SECOND


@pytest.mark.parametrize("finding", [JobStalled, JobLost])
@pytest.mark.parametrize("reason", ["silent", "worker gone"])
def test_a_stalled_or_lost_job_keeps_its_percent_and_has_no_remaining_time(
    finding: type[JobStalled | JobLost], reason: StallReason
) -> None:
    job = started(phases=("a", "b"))
    job.apply(JobProgress(job_id="job_1", phase="a", progress=54), moment(1))
    reported(job, 2, 54)
    job.apply(finding(job_id="job_1", reason=reason), moment(3))
    snapshot = reported(job, 900, 99)
    estimate = snapshot.estimate
    assert (estimate.percent, estimate.remaining_ns, estimate.low_ns, estimate.high_ns) == (54, None, None, None)
    assert (snapshot.stall_reason, snapshot.silent_ns) == (reason, 899 * SECOND)
    job.apply(JobResumed(job_id="job_1"), moment(901))
    snapshot = reported(job, 902, 60)
    assert (snapshot.state, snapshot.stall_reason, snapshot.silent_ns) == (State.ACTIVE, "", 0)
    assert (snapshot.estimate.percent, snapshot.estimate.remaining_ns) == (60, 5 * SECOND)


def test_a_stalled_job_stalls_again_only_when_its_worker_turns_out_to_be_gone() -> None:
    job = started()
    job.apply(JobStalled(job_id="job_1"), moment(1))
    with pytest.raises(IllegalEvent, match="stalled already: silent"):
        job.apply(JobStalled(job_id="job_1"), moment(2))
    job.apply(JobStalled(job_id="job_1", reason="worker gone"), moment(3))
    assert job.stall_reason == "worker gone"
    with pytest.raises(IllegalEvent, match="stalled already: worker gone"):
        job.apply(JobStalled(job_id="job_1"), moment(4))


@pytest.mark.parametrize("finding", [JobStalled, JobLost])
def test_a_watchdog_event_within_a_backlog_changes_no_duration(finding: type[JobStalled | JobLost]) -> None:
    job = Job("job_1")
    job.apply(JobStarted(job_id="job_1", phases=("a", "b")), moment(0))
    job.apply(JobProgress(job_id="job_1", phase="a"), moment(0))
    job.apply(finding(job_id="job_1"), moment(1700))
    job.apply(JobProgress(job_id="job_1", phase="b"), moment(100))
    durations = job.apply(JobCompleted(job_id="job_1"), moment(150))
    assert [(duration.phase, duration.duration_ns) for duration in durations] == [
        ("a", 100 * SECOND),
        ("b", 50 * SECOND),
    ]


@pytest.mark.parametrize("end", [JobFailed(job_id="job_1"), JobCancelled(job_id="job_1")])
def test_a_failed_job_keeps_the_progress_of_its_phase(end: JobFailed | JobCancelled) -> None:
    job = started()
    job.apply(JobProgress(job_id="job_1", phase="importing", progress=54), moment(1))
    job.settle(Estimate(6.0))  # the engine may know nothing of the phase
    job.apply(end, moment(2))
    snapshot = reported(job, 3, percent=90)
    assert (snapshot.estimate.percent, snapshot.estimate.phase_percent) == (6, 54)
    again = decode_job(encode_job(job), moment(4), same_clock=True).snapshot(moment(4), Estimate(0), {})
    assert (again.estimate.percent, again.estimate.phase_percent) == (6, 54)


def test_a_lost_job_can_be_started_again() -> None:
    job = started(series="a")
    job.apply(JobLost(job_id="job_1"), moment(4))
    job.apply(JobStarted(job_id="job_1", series="b"), moment(5))
    assert (job.state, job.series, job.started) == (State.ACTIVE, "b", moment(5))


def test_durations_come_from_the_monotonic_clock_alone() -> None:
    job = Job("job_1")
    job.apply(JobStarted(job_id="job_1"), moment(0))
    job.apply(JobProgress(job_id="job_1", phase="importing"), moment(1, wall_jump_s=3600))
    job.apply(JobProgress(job_id="job_1", phase="exporting"), moment(4, wall_jump_s=-3600))
    job.apply(JobCompleted(job_id="job_1"), moment(6, wall_jump_s=7200))
    snapshot = reported(job, 9)
    assert [phase.elapsed_ns / SECOND for phase in snapshot.phases if phase.elapsed_ns] == [3, 2]
    assert (snapshot.started_ns, snapshot.ended_ns) == (WALL, WALL + 6 * SECOND)
    importing = snapshot.phases[0]
    assert (importing.started_ns, importing.ended_ns) == (WALL + 3601 * SECOND, WALL + 3604 * SECOND)


def test_a_late_report_is_never_dated_before_the_last_event() -> None:
    job = started(phases=("a", "b"))
    job.apply(JobProgress(job_id="job_1", phase="a"), moment(5))
    job.apply(JobProgress(job_id="job_1", phase="b"), moment(2))
    job.apply(JobCompleted(job_id="job_1"), moment(8).before(1))
    assert [phase.spent_ns / SECOND for phase in job.phases] == [0, 2]
    assert [phase.started for phase in job.phases] == [moment(5), moment(5)]
    assert job.ended == moment(7)


def test_a_job_may_have_started_before_the_monotonic_clock_began() -> None:
    job = Job("job_1")
    job.apply(JobStarted(job_id="job_1"), moment(10).before(3600))
    assert job.elapsed_ns(moment(10)) == 3600 * SECOND


def error(text: str, phase: str | None = None) -> ErrorOccurred:
    return ErrorOccurred(job_id="job_1", error_type="validation_error", text=text, details={"i": 1}, phase=phase)


def test_a_snapshot_is_a_copy() -> None:
    job = started(photo_info={"iso": 1})
    snapshot = reported(job, 1)
    job.apply(PhotoInfo(job_id="job_1", data={"iso": 2}), moment(2))
    job.apply(error("later"), moment(3))
    assert (snapshot.info, snapshot.errors) == ({"iso": 1}, ())


def test_checking_changes_nothing() -> None:
    job = started()
    before = everything_in(job)
    assert check(job, JobProgress(job_id="job_1", phase="exporting")) is State.ACTIVE
    assert check(job, JobCompleted(job_id="job_1")) is State.COMPLETED
    assert everything_in(job) == before
