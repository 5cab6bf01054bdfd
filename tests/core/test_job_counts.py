"""The workflow of a job that was started without one, and counts of its work."""

from phaseline.model.events import JobProgress, PhotoInfo
from phaseline.model.snapshot import Estimate
from tests.support.core_events import complete, enter, moment, started, states


def test_without_a_workflow_photo_facts_or_a_photo_stage_make_a_photo() -> None:
    assert started(photo_id=5).workflow.name == "photo"
    assert started(photo_info={"iso": 800}).workflow.name == "photo"
    assert started(phases=("a",)).workflow.name == "custom"
    assert started(photo_id=5, phases=("a",)).workflow.name == "custom"

    job = started()
    assert job.workflow.name == "custom"
    enter(job, "exif_analysis", 1)
    assert job.workflow.name == "photo"
    assert states(job) | {"importing": "skipped", "exif_analysis": "current", "exporting": "pending"} == states(job)

    job = started()
    job.apply(PhotoInfo(job_id=job.job_id, data={"iso": 800}), moment(1))
    assert job.workflow.name == "photo"


def test_without_a_workflow_the_phases_of_other_jobs_are_learned() -> None:
    job = started()
    enter(job, "encode", 1)
    complete(job, "encode", 2)
    enter(job, "exporting", 3)
    assert job.workflow.name == "custom"
    assert states(job) == {"encode": "done", "exporting": "current"}


def test_a_count_of_work_is_progress_and_has_a_rate() -> None:
    job = started(phases=("a", "b"))

    def count(done: float, total: float | None, at: float) -> float | None:
        event = job.resolved(JobProgress(job_id=job.job_id, phase="a", done=done, total=total, unit="frames"))
        job.apply(event, moment(at))
        return job.phases[0].progress

    assert count(0, None, 1) is None
    assert count(60, 240, 11) == 25.0
    shown = job.snapshot(moment(12), Estimate(0.0), {})
    assert (shown.done, shown.total, shown.unit, shown.rate) == (60, 240, "frames", 6.0)
    assert count(80, 800, 12) == 25.0, "a total that grows lowers no percentage"
    assert count(400, 800, 13) == 50.0
    assert count(900, 800, 14) == 100.0
    assert count(8, 800, 20) == 1.0, "fewer units mean another pass"
    assert job.phases[0].rate is None
