"""The state of the view after messages and snapshots."""

import msgspec
import pytest

from phaseline.model.states import PhaseState, State
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import failed_photo, frame, ids, many_jobs, photo_job, snapshot
from tests.support.tui_state import STARTED, message, only_job, state_of


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
    assert state.counts["failed"] == 1


def test_a_cancelled_job_ends_with_job_failed() -> None:
    state = state_of(STARTED, message("job_failed", seq=2, state="cancelled", result=None))
    assert only_job(state).state is State.CANCELLED
    assert (state.counts["failed"], state.counts["cancelled"]) == (0, 1)


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


def test_a_dismissed_job_is_hidden_until_its_next_message() -> None:
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
