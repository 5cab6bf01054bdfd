"""Times and progress of a job between messages."""

import pytest

from phaseline.model.states import State
from phaseline_tui.model.jobs import Remaining
from tests.support.tui_jobs import dalle_job, snapshot
from tests.support.tui_state import STARTED, message, only_job, state_of


def test_times_advance_between_messages() -> None:
    job = only_job(state_of(STARTED, message("job_progress", seq=2, stage="importing", elapsed_seconds=5.0)))
    assert job.elapsed_at(1003.0) == 8.0
    assert job.remaining_at(1003.0) == Remaining(37.0, 27.0, 57.0)
    assert job.remaining_at(1045.0) == Remaining(-5.0, 0.0, 15.0)


def test_a_phase_without_progress_advances_by_its_average_and_stops_at_its_end() -> None:
    state = state_of(snapshot([dalle_job("simple", "0x1", 5)]))
    job = only_job(state)
    phase = job.current
    assert phase is not None
    assert phase.average is not None
    assert job.remaining is not None
    left_in_phase = phase.average * 0.45
    rate = (100 - job.percent) / job.remaining.likely
    assert job.percent_at(1002.0) == pytest.approx(job.percent + 2 * rate)
    assert job.percent_at(9000.0) == pytest.approx(job.percent + left_in_phase * rate)


def test_a_phase_with_progress_is_not_interpolated() -> None:
    job = only_job(state_of(snapshot([dalle_job("simple", "0x1", 5, progress=30.0)])))
    assert job.percent_at(1100.0) == job.percent


def test_the_percent_of_a_stalled_job_does_not_change() -> None:
    job = only_job(state_of(snapshot([dalle_job("simple", "0x1", 5, state="stalled")])))
    assert job.percent_at(1100.0) == job.percent
    assert job.remaining_at(1001.0) is None


def test_a_stalled_job_counts_its_silence_until_the_next_report() -> None:
    state = state_of(STARTED)
    job = only_job(state)
    assert job.silence_at(1000.0) is None
    changes = state.apply([message("job_stalled", seq=2, state="stalled", silent_seconds=31.0)], 1010.0)
    assert changes.order
    assert (job.state, job.silence_at(1015.0)) == (State.STALLED, 36.0)
    state.apply([message("job_progress", seq=3, state="active", stage="importing")], 1020.0)
    assert (job.state, job.silence_at(1021.0)) == (State.ACTIVE, None)
    state.apply([message("job_stalled", seq=4, state="stalled")], 1060.0)
    assert job.silence_at(1061.0) is None  # the server did not report it
    state.apply([message("job_lost", seq=5, state="lost", percent=54.2)], 1090.0)
    assert (job.state, job.over, job.failure) == (State.LOST, True, "no reports, was at 54%")


def test_a_job_shows_that_its_worker_is_gone_until_it_reconnects() -> None:
    state = state_of(STARTED)
    job = only_job(state)
    gone = {"reason": "worker gone", "silent_seconds": 16.0, "percent": 54.2, "eta_seconds": None}
    state.apply([message("job_stalled", seq=2, state="stalled", **gone)], 1010.0)
    assert (job.stall_reason, job.remaining_at(1011.0), job.percent_at(2000.0)) == ("worker gone", None, 54.2)
    state.apply([message("job_progress", seq=3, state="active", stage="importing")], 1400.0)
    lost = {"state": "lost", "elapsed_seconds": 3.0, "stage_elapsed_seconds": 2.0}
    state.apply([message("job_lost", seq=4, **lost, **gone)], 1500.0)
    assert (job.failure, job.elapsed_at(2000.0)) == ("worker gone, was at 54%", 3.0)
    assert job.phase_elapsed_at(job.phases[0], 2000.0) == 2.0
    state.apply([message("job_resumed", seq=5, state="active")], 1600.0)
    assert (job.state, job.failure) == (State.ACTIVE, "")


def test_a_phase_that_is_reported_late_has_its_true_start() -> None:
    state = state_of(STARTED)
    job = only_job(state)
    late = message("job_progress", seq=2, elapsed_seconds=7200.0, stage_elapsed_seconds=7200.0, stage="importing")
    state.apply([late], 1000.0)
    late = message(
        "job_progress",
        seq=3,
        elapsed_seconds=7204.0,
        stage_elapsed_seconds=7104.0,
        stage="exif_analysis",
        stage_index=2,
    )
    state.apply([late], 1004.0)
    assert [job.phase_elapsed_at(phase, 1004.0) for phase in job.phases[:2]] == [100.0, 7104.0]
    assert job.phase_elapsed_at(job.phases[1], 1010.0) == 7110.0


def test_the_shares_of_a_bar_have_the_start_and_end_of_the_phase() -> None:
    state = state_of(STARTED, message("job_progress", seq=2, stage="importing", percent=20.0))
    state.apply(
        [message("job_progress", seq=3, stage="exif_analysis", stage_index=2, percent=40.0, progress=0.0)], 1001.0
    )
    state.apply(
        [message("job_progress", seq=4, stage="exif_analysis", stage_index=2, percent=50.0, progress=25.0)], 1002.0
    )
    assert only_job(state).shares_at(1002.0) == (40.0, 50.0, 80.0)
