"""The state of the view: frames in, a sorted and filtered list of jobs out."""

from typing import Any

import msgspec
import pytest

from phaseline.model.snapshot import PhaseState, State
from phaseline_tui.model.frames import Frame
from phaseline_tui.model.jobs import JobKey, JobView, Remaining
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import dalle_job, failed_photo, frame, ids, many_jobs, photo_job, snapshot

Json = dict[str, Any]


def state_of(*frames: Frame, received: float = 1000.0) -> ViewState:
    state = ViewState()
    state.apply(frames, received)
    return state


def only_job(state: ViewState) -> JobView:
    (job,) = state.jobs.values()
    return job


def message(kind: str, **fields: Any) -> Frame:
    common = {
        "job_id": "job_1",
        "photo_id": 4,
        "timestamp": "2026-11-09T18:30:00Z",
        "epoch": "e1",
        "workflow": "photo",
        "series": "s",
        "host": "atlas",
        "state": "active",
        "percent": 10.0,
        "eta_seconds": 40.0,
        "eta_low_seconds": 30.0,
        "eta_high_seconds": 60.0,
        "eta_basis": "history",
        "eta_runs": 3,
        "stage_index": 1,
        "stage_count": 3,
        "elapsed_seconds": 5.0,
    }
    return frame({"type": kind} | common | fields)


STARTED = message(
    "job_started",
    seq=1,
    photo_info={"file_name": "IMG_1.CR3"},
    stages=["importing", "exif_analysis", "exporting"],
    averages={"importing": 2.0, "exif_analysis": None},
    elapsed_seconds=0.0,
    percent=0.0,
)


def test_a_snapshot_sets_every_field_of_a_job() -> None:
    job = only_job(state_of(snapshot([failed_photo()])))
    assert (job.name, job.workflow, job.host, job.photo_id) == ("IMG_0043.CR3", "photo", "atlas", "456")
    assert job.state is State.FAILED
    assert (job.phase_index, job.phase_count, job.current and job.current.name) == (6, 8, "applying_preset")
    assert [phase.state for phase in job.phases[4:7]] == [PhaseState.DONE, PhaseState.FAILED, PhaseState.PENDING]
    assert job.phases[2].average == 14.0
    assert job.phases[1].offset == pytest.approx(2.6)
    assert [error.kind for error in job.errors] == ["network_error", "validation_error"]
    assert job.errors[1].details == {"field": "exposure", "value": 999, "allowed": "-5 to 5"}
    assert job.failure.startswith("Invalid exposure value")
    assert job.completed_at is not None


def test_a_job_is_followed_from_its_start_to_its_end() -> None:
    state = state_of(STARTED)
    job = only_job(state)
    assert job.name == "IMG_1.CR3"
    assert [phase.average for phase in job.phases] == [2.0, None, None]
    state.apply([message("job_progress", seq=2, stage="importing", progress=None, elapsed_seconds=0.5)], 1000.5)
    state.apply([message("job_progress", seq=3, stage="importing", progress=50.0, message="half")], 1005.0)
    assert (job.message, job.current and job.current.progress) == ("half", 50.0)
    assert job.phase_elapsed_at(job.phases[0], 1007.0) == pytest.approx(6.5)
    done = message("stage_completed", seq=4, stage="importing", stage_seconds=5.5, average_seconds=2.5, result={"n": 1})
    state.apply([done], 1006.0)
    assert (job.phases[0].state, job.phases[0].elapsed, job.phases[0].average) == (PhaseState.DONE, 5.5, 2.5)
    assert job.phases[0].result == {"n": 1}
    skip = message("stage_completed", seq=5, stage="exif_analysis", skipped=True, stage_seconds=0.0, stage_index=2)
    state.apply([skip, message("photo_info", seq=6, photo_data={"exif": {"iso": 800}}, stage_index=2)], 1006.0)
    assert job.phases[1].state is PhaseState.SKIPPED
    assert job.details == {"exif": {"iso": 800}}
    state.apply([message("job_progress", seq=7, stage="exporting", progress=1.0, stage_index=3, percent=60.0)], 1007.0)
    assert (job.phase_index, job.phase_from) == (3, 60.0)
    ended = message(
        "job_completed", seq=8, state="completed", percent=100.0, eta_seconds=0.0, result={"ok": True}, duration=9.0
    )
    state.apply([ended], 1008.0)
    assert (job.state, job.percent, job.elapsed_at(5000.0), job.remaining_at(1008.0)) == (
        State.COMPLETED,
        100.0,
        9.0,
        None,
    )
    assert job.phases[2].state is PhaseState.DONE


def test_a_phase_whose_end_was_not_reported_ends_when_the_next_begins() -> None:
    begun = message("job_progress", seq=2, stage="importing", elapsed_seconds=1.0)
    job = only_job(state_of(STARTED, begun, message("job_progress", seq=3, stage="exporting", elapsed_seconds=5.0)))
    assert [phase.state for phase in job.phases] == [PhaseState.DONE, PhaseState.PENDING, PhaseState.CURRENT]
    assert job.phases[0].elapsed == 4.0


def test_a_failure_marks_the_current_phase_and_keeps_the_error() -> None:
    error = message("error_occurred", seq=3, error_type="io", error_message="disk full", stage="importing")
    failed = message("job_failed", seq=4, state="failed", result={"error": "no space"}, duration=6.0)
    state = state_of(STARTED, message("job_progress", seq=2, stage="importing"), error, failed)
    job = only_job(state)
    assert (job.state, job.phases[0].state, job.phases[0].error) == (State.FAILED, PhaseState.FAILED, "disk full")
    assert job.failure == "no space"
    assert state.counts.failed == 1


def test_a_cancelled_job_ends_with_job_failed() -> None:
    state = state_of(STARTED, message("job_failed", seq=2, state="cancelled", result=None))
    assert only_job(state).state is State.CANCELLED
    assert (state.counts.failed, state.counts.cancelled) == (0, 1)


def test_a_job_without_a_received_start_is_shown() -> None:
    job = only_job(state_of(message("job_progress", seq=9, stage="exif_analysis", progress=10.0, stage_index=2)))
    assert (job.name, job.phases[0].name, job.phase_count) == ("job_1", "exif_analysis", 3)


def test_a_restarted_job_clears_its_first_attempt() -> None:
    failed = message("job_failed", seq=3, state="failed", result={"error": "x"})
    again = msgspec.structs.replace(STARTED, seq=4)
    job = only_job(state_of(STARTED, message("job_progress", seq=2, stage="importing"), failed, again))
    assert (job.state, job.failure, job.errors, job.completed_at) == (State.ACTIVE, "", [], None)
    assert {phase.state for phase in job.phases} == {PhaseState.PENDING}


def test_messages_contained_in_the_snapshot_are_ignored() -> None:
    state = state_of(snapshot([photo_job("job_1", "a.jpg", 3, progress=50.0)]))
    before = only_job(state).percent
    changes = state.apply([message("job_progress", seq=7, stage="importing", percent=1.0)], 1001.0)
    assert (only_job(state).percent, changes.jobs) == (before, set())
    state.apply([message("job_progress", seq=8, stage="importing", percent=90.0)], 1001.0)
    assert only_job(state).percent == 90.0


def test_a_dismissed_job_leaves_the_list_until_its_next_message() -> None:
    state = state_of(snapshot([photo_job("job_1", "a.jpg", 3), photo_job("job_2", "b.jpg", 4)]))
    changes = state.apply([message("job_dismissed", seq=8, state="stalled", completed_at=None)], 1001.0)
    assert (ids(state.jobs), ids(state.visible), changes.order) == (["job_2"], ["job_2"], True)
    state.apply([message("job_dismissed", seq=9, job_id="job_3")], 1001.0)  # one that the view does not have
    assert ids(state.jobs) == ["job_2"]
    state.apply([message("job_progress", seq=10, stage="importing", percent=90.0)], 1002.0)
    assert sorted(ids(state.visible)) == ["job_1", "job_2"]


def test_a_lower_seq_of_a_restarted_server_is_accepted() -> None:
    state = state_of(snapshot([photo_job("job_1", "a.jpg", 3)]))
    state.apply([message("job_progress", seq=1, epoch="e2", stage="importing", percent=3.0)], 1001.0)
    assert only_job(state).percent == 3.0


def test_a_snapshot_replaces_everything() -> None:
    state = state_of(snapshot(many_jobs()))
    changes = state.apply([snapshot([photo_job("job_9", "z.jpg", 1)])], 1001.0)
    assert (ids(state.jobs), ids(state.visible), changes.order) == (["job_9"], ["job_9"], True)


def test_a_snapshot_replaces_only_the_jobs_of_its_server() -> None:
    state = ViewState()
    state.apply([snapshot([photo_job("job_1", "a.jpg", 1)])], 1000.0, "box1")
    state.apply([snapshot([photo_job("job_1", "b.jpg", 1), photo_job("job_2", "c.jpg", 1)])], 1000.0, "box2")
    state.apply([snapshot([photo_job("job_3", "d.jpg", 1)])], 1001.0, "box2")
    assert set(state.jobs) == {("box1", "job_1"), ("box2", "job_3")}
    assert state.jobs[JobKey("box1", "job_1")].name == "a.jpg"
    assert state.synced == {"box1", "box2"}


def test_active_jobs_come_first_then_failures_then_others_newest_first() -> None:
    state = state_of(
        snapshot(
            [
                photo_job("old", "a", 8, state="completed", ended_ago=500.0),
                photo_job("new", "b", 8, state="completed", ended_ago=5.0),
                photo_job("stopped", "c", 3, state="cancelled", ended_ago=50.0),
                photo_job("failed", "d", 3, state="failed", ended_ago=5000.0),
                photo_job("lost", "e", 3, state="lost", ended_ago=60.0),
                photo_job("young", "f", 1, progress=5.0),
                photo_job("older", "g", 5),
                photo_job("stalled", "h", 7, state="stalled"),
            ]
        )
    )
    assert ids(state.visible) == ["stalled", "older", "young", "lost", "failed", "new", "stopped", "old"]
    assert state.counts == (2, 1, 2, 2, 1, 0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", {"dalle:simple:0x1", "dalle:five:0x2", "job_1"}),
        ("SIMPLE", {"dalle:simple:0x1"}),
        ("img", {"job_1"}),
        ("job_1", {"job_1"}),
        ("dalle", {"dalle:simple:0x1", "dalle:five:0x2"}),
        ("image_wait", {"dalle:simple:0x1"}),
        ("done", {"dalle:five:0x2"}),
        ("completed", {"dalle:five:0x2"}),
        ("dalle !done", {"dalle:simple:0x1"}),
        ("!dalle", {"job_1"}),
        ("!", {"dalle:simple:0x1", "dalle:five:0x2", "job_1"}),
        ("nothing of it", set()),
    ],
)
def test_the_filter_searches_names_series_workflows_states_and_phases(text: str, kept: set[str]) -> None:
    state = state_of(
        snapshot(
            [
                dalle_job("simple", "0x1", 5),
                dalle_job("five", "0x2", 8, state="completed", ended_ago=1.0),
                photo_job("job_1", "IMG_7.CR3", 2),
            ]
        )
    )
    state.set_filter(text)
    assert set(ids(state.visible)) == kept


def test_the_filter_is_applied_again_when_a_job_enters_another_phase() -> None:
    state = state_of(STARTED, message("job_progress", seq=2, stage="importing"))
    state.set_filter("exporting")
    assert state.visible == []
    changes = state.apply([message("job_progress", seq=3, stage="exporting", stage_index=3)], 1001.0)
    assert (ids(state.visible), changes.order) == (["job_1"], True)


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


def test_beyond_the_maximum_the_jobs_that_ended_first_are_dropped() -> None:
    state = ViewState(most_jobs=10)
    ended = [photo_job(f"e{n}", "x", 8, state="completed", ended_ago=float(n)) for n in range(1, 20)]
    active = [photo_job(f"a{n}", "x", 3) for n in range(5)]
    state.apply([snapshot(ended + active)], 1000.0)
    assert set(ids(state.jobs)) == {f"a{n}" for n in range(5)} | {f"e{n}" for n in range(1, 6)}


def test_an_error_of_the_server_is_stored_cleaned() -> None:
    state = state_of(frame({"type": "error", "error": "no \x1b[31msuch\x07 channel", "code": "X"}))
    assert state.problem == "no [31msuch channel"


def test_hostile_text_is_cleaned_in_every_field() -> None:
    evil = "a\x1b]52;c;x\x07\u202eb\x9b31m\u200bc"
    job = photo_job(evil, evil, 2, message=evil, workflow=evil, series=evil, host=evil, result={evil: [evil]})
    job["stages"][1]["name"] = job["stages"][0]["error"] = evil
    job["errors"] = [{"error_type": evil, "error_message": evil, "error_details": {evil: evil}, "stage": evil}]
    known = only_job(state_of(snapshot([job])))
    assert known.wire_id == evil, "requests name the job as the server does"
    known.wire_id = known.job_id
    seen = repr(known)
    assert not any(each in seen for each in ("\\x1b", "\\x07", "\\x9b", "\\u202e", "\\u200b"))
