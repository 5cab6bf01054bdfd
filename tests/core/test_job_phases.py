"""Phases of a job: in order, out of order, reopened, undeclared, or only reported at their end."""

import pytest

from phaseline.errors import InvalidField
from phaseline.model.events import (
    MAX_PHASES,
    ErrorOccurred,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobProgress,
    JobStarted,
    PhaseCompleted,
)
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate
from phaseline.model.states import PhaseState, State
from tests.support.core_events import SECOND, complete, enter, everything_in, moment, started, states


def end(job: Job, at: float) -> tuple[PhaseDuration, ...]:
    return job.apply(JobCompleted(job_id="job_1"), moment(at))


def durations(job: Job, at: float = 0.0) -> dict[str, float]:
    return {phase.name: phase.elapsed_ns(moment(at)) / SECOND for phase in job.phases if phase.elapsed_ns(moment(at))}


def taught(durations: tuple[PhaseDuration, ...]) -> dict[str, float]:
    return {duration.phase: duration.duration_ns / SECOND for duration in durations}


def test_phases_in_order_are_done_one_after_the_other() -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "a", 1)
    enter(job, "b", 3)
    complete(job, "b", 6)
    assert states(job) == {"a": "done", "b": "done", "c": "pending"}
    assert job.phase == "b"
    enter(job, "c", 7)
    assert taught(end(job, 11)) == {"a": 2, "b": 3, "c": 4}
    assert set(states(job).values()) == {"done"}
    assert [phase.progress for phase in job.phases] == [100, 100, 100]


def test_a_passed_phase_is_skipped_and_not_learned() -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "c", 1)
    assert states(job) == {"a": "skipped", "b": "skipped", "c": "current"}
    assert taught(end(job, 3)) == {"c": 2}


def test_a_phase_out_of_order_is_accepted() -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "b", 1)
    enter(job, "a", 2)
    assert states(job) == {"a": "current", "b": "done", "c": "pending"}
    assert (job.phase, job.phase_index) == ("a", 1)
    complete(job, "a", 5)
    assert taught(end(job, 6)) == {"a": 3, "b": 1}


def test_a_reopened_phase_continues_counting_and_is_not_learned() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0, progress=80)
    enter(job, "b", 1)
    enter(job, "a", 3)
    assert job.phases[0].progress is None
    enter(job, "b", 7)
    assert durations(job, 8) == {"a": 5, "b": 3}
    assert end(job, 8) == ()


def test_progress_after_the_end_of_its_phase_reopens_it() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0)
    complete(job, "a", 2)
    enter(job, "a", 3)
    assert states(job)["a"] == "current"
    assert end(job, 4) == ()


def test_a_phase_skipped_halfway_and_resumed_is_not_learned() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0)
    complete(job, "a", 2, skipped=True)
    enter(job, "a", 3)
    assert end(job, 4) == ()


def test_a_skipped_phase_that_runs_later_is_measured_from_its_start() -> None:
    job = started(phases=("a", "b"))
    enter(job, "b", 1)
    complete(job, "a", 2, skipped=True)
    assert states(job)["a"] == "skipped"
    enter(job, "a", 5)
    assert job.phases[0].started == moment(5)
    assert taught(end(job, 7)) == {"a": 2, "b": 4}


def test_a_phase_reported_only_at_its_end_lasts_since_the_phase_before() -> None:
    job = started(phases=("a", "b", "c"))
    complete(job, "a", 2)
    complete(job, "c", 5)
    assert states(job) == {"a": "done", "b": "skipped", "c": "done"}
    assert job.phases[0].started == moment(0)
    assert durations(job) == {"a": 2, "c": 3}
    complete(job, "b", 6)
    assert taught(end(job, 9)) == {"a": 2, "b": 1, "c": 3}


def test_a_phase_ended_while_another_runs_is_done_but_not_learned() -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "b", 1)
    complete(job, "c", 2)
    complete(job, "a", 3)
    assert states(job) == {"a": "done", "b": "current", "c": "done"}
    assert taught(end(job, 4)) == {"b": 3}


def test_a_second_end_of_a_phase_changes_nothing() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0)
    complete(job, "a", 2)
    before = everything_in(job)
    complete(job, "a", 2)
    complete(job, "a", 2, skipped=True)
    assert everything_in(job) == before


def test_a_skipped_phase_is_never_learned() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0)
    complete(job, "a", 2, skipped=True)
    complete(job, "b", 4, skipped=True)
    assert states(job) == {"a": "skipped", "b": "skipped"}
    assert end(job, 5) == ()


def test_a_cache_hit_is_not_learned() -> None:
    job = started(phases=("a",), cache_hit=True)
    enter(job, "a", 0)
    assert end(job, 5) == ()


@pytest.mark.parametrize("last", [JobFailed(job_id="job_1", result={"error": "no disk"}), JobCancelled(job_id="job_1")])
def test_the_phase_of_a_failure_is_not_learned_but_those_before_it_are(last: JobFailed | JobCancelled) -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "a", 0)
    enter(job, "b", 2)
    assert taught(job.apply(last, moment(9))) == {"a": 2}
    assert states(job) == {"a": "done", "b": "failed", "c": "pending"}
    assert job.phases[1].error == ("no disk" if isinstance(last, JobFailed) else "cancelled")
    assert (job.phase, job.phase_index) == ("failed", 2)


def test_a_job_is_not_learned_before_its_end() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0)
    assert job.apply(JobProgress(job_id="job_1", phase="b"), moment(1)) == ()


def test_pending_phases_of_a_completed_job_are_skipped() -> None:
    job = started("photo")
    enter(job, "importing", 1)
    end(job, 2)
    assert set(states(job).values()) == {"done", "skipped"}
    assert (job.phase, job.phase_index) == ("completed", 8)


def test_a_photo_may_have_a_preparation_and_a_finalizing_stage() -> None:
    job = started("photo")
    enter(job, "preparation", 1)
    enter(job, "importing", 2)
    enter(job, "exporting", 3)
    enter(job, "finalizing", 4)
    assert [job.phases[0].name, job.phases[1].name, job.phases[-1].name] == ["preparation", "importing", "finalizing"]
    assert len(job.phases) == 10
    assert taught(end(job, 5)) == {"preparation": 1, "importing": 1, "exporting": 1, "finalizing": 1}


@pytest.mark.parametrize("phase", ["Importing", "import", "", "setup"])
def test_an_unknown_stage_of_a_photo_is_rejected_and_changes_nothing(phase: str) -> None:
    job = started("photo")
    before = everything_in(job)
    for event in (
        JobProgress(job_id="job_1", phase=phase),
        PhaseCompleted(job_id="job_1", phase=phase),
        ErrorOccurred(job_id="job_1", error_type="x", text="y", phase=phase),
    ):
        with pytest.raises(InvalidField, match=f"^stage is '{phase}'; allowed: importing, exif_analysis, .* failed$"):
            job.apply(event, moment(1))
    assert everything_in(job) == before


@pytest.mark.parametrize("workflow", ["photo", "dalle", "custom"])
@pytest.mark.parametrize("name", ["completed", "failed"])
def test_the_names_of_ends_are_not_phases_and_end_no_job(workflow: str, name: str) -> None:
    job = started(workflow)
    count = len(job.phases)
    job.apply(JobProgress(job_id="job_1", phase=name, progress=100, text="all done"), moment(1))
    complete(job, name, 2)
    assert (len(job.phases), job.state, job.text, job.phase) == (count, State.ACTIVE, "all done", "")


def test_a_declared_phase_may_be_called_completed() -> None:
    job = started(phases=("work", "completed"))
    enter(job, "completed", 1)
    assert states(job) == {"work": "skipped", "completed": "current"}


def test_an_undeclared_phase_follows_the_started_ones() -> None:
    job = started(phases=("a", "b", "c"))
    enter(job, "x", 1)
    assert [phase.name for phase in job.phases] == ["x", "a", "b", "c"]
    enter(job, "b", 2)
    enter(job, "a", 3)
    enter(job, "y", 4)
    assert [phase.name for phase in job.phases] == ["x", "a", "b", "y", "c"]
    assert states(job) == {"x": "done", "a": "done", "b": "done", "y": "current", "c": "pending"}


def test_a_workflow_is_learned_phase_by_phase() -> None:
    job = started("nightly")
    assert (job.phase, job.phase_index, job.phases) == ("", 0, [])
    enter(job, "fetch", 1)
    complete(job, "store", 2)
    enter(job, "check", 3)
    assert [phase.name for phase in job.phases] == ["fetch", "store", "check"]
    assert (job.phase, job.phase_index) == ("check", 3)


def test_the_number_of_phases_of_a_job_is_limited() -> None:
    job = started("nightly")
    for i in range(MAX_PHASES):
        enter(job, f"p{i}", i)
    before = everything_in(job)
    for event in (JobProgress(job_id="job_1", phase="more"), PhaseCompleted(job_id="job_1", phase="more")):
        with pytest.raises(InvalidField, match=f"^stage is 'more'; allowed: at most {MAX_PHASES} phases"):
            job.apply(event, moment(1000))
    assert everything_in(job) == before


def test_a_job_with_all_its_phases_accepts_these_and_errors_and_end_stages() -> None:
    job = started("nightly", tuple(f"p{i}" for i in range(MAX_PHASES)))
    enter(job, "p7", 1)
    enter(job, "completed", 2)
    job.apply(ErrorOccurred(job_id="job_1", error_type="x", text="y", phase="elsewhere"), moment(3))
    assert job.errors[-1].phase == "elsewhere"


def test_declared_phases_have_each_name_once_and_are_not_too_many() -> None:
    job = Job("job_1")
    before = everything_in(job)
    with pytest.raises(InvalidField, match=r"^phases is \['a', 'b', 'a'\]; allowed: each name once$"):
        job.apply(JobStarted(job_id="job_1", phases=("a", "b", "a")), moment(0))
    with pytest.raises(InvalidField, match=r"^phases is '501 names'; allowed: at most 500$"):
        job.apply(JobStarted(job_id="job_1", phases=tuple(map(str, range(501)))), moment(0))
    assert everything_in(job) == before


def test_a_built_in_workflow_lets_only_its_own_phases_be_declared() -> None:
    job = Job("job_1")
    with pytest.raises(InvalidField, match=r"^phases is \['paint', 'setup'\]; allowed: those of photo: importing, .*"):
        job.apply(JobStarted(job_id="job_1", workflow="photo", phases=("setup", "paint", "exporting")), moment(0))
    assert job.state is State.ABSENT
    job.apply(JobStarted(job_id="job_1", workflow="photo", phases=("finalizing", "exporting")), moment(0))
    assert len(job.phases) == 8


def test_progress_starts_again_with_each_phase() -> None:
    job = started(phases=("a", "b"))
    enter(job, "a", 0, progress=70)
    assert job.snapshot(moment(1), Estimate(0.0), {}).progress == 70
    enter(job, "a", 1)
    assert job.snapshot(moment(1), Estimate(0.0), {}).progress == 70
    enter(job, "b", 2)
    assert job.snapshot(moment(2), Estimate(0.0), {}).progress is None
    complete(job, "b", 3)
    assert job.snapshot(moment(3), Estimate(0.0), {}).progress is None
    assert job.phases[1].state is PhaseState.DONE
