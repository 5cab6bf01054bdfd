"""Counts of work, such as 74 of 240 frames, and their rate."""

from typing import Any

import pytest

from phaseline_tui.model.frames import JobProgress, JobStatus
from phaseline_tui.model.ingest import apply_message, from_status
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.status_items import StageItem


def progress(job: JobView, elapsed: float, stage: str = "render", **count: Any) -> float | None:
    """Report progress, and return the rate."""
    message = JobProgress(job_id="a", state="active", stage=stage, elapsed_seconds=elapsed, **count)
    apply_message(job, message, 100 + elapsed)
    return job.rate


def test_a_rate_is_measured_from_the_first_count_of_a_pass() -> None:
    job = JobView("a")
    assert progress(job, 1, done=0, total=240, unit="frames") is None
    assert progress(job, 11, done=60, total=240, unit="frames") == 6
    assert (job.done, job.total, job.unit) == (60, 240, "frames")
    assert progress(job, 12, done=4, total=240, unit="frames") is None
    assert progress(job, 14, done=10, total=240, unit="frames") == 3


def test_a_rate_of_the_server_is_continued() -> None:
    stages = [StageItem(name="render", state="current")]
    count: dict[str, Any] = {"done": 40, "total": 240, "unit": "frames", "rate": 4.0}
    job = from_status(JobStatus(job_id="a", elapsed_seconds=20.0, stages=stages, stage_index=1, **count), 120, "")
    assert job.rate == 4
    progress(job, 30, done=80, total=240, unit="frames")
    assert job.rate == pytest.approx(4)


def test_another_phase_has_no_count_until_its_worker_reports_one() -> None:
    job = JobView("a")
    progress(job, 1, done=0, total=240, unit="frames")
    progress(job, 11, done=60, total=240, unit="frames")
    progress(job, 12, stage="mux")
    assert (job.done, job.total, job.rate) == (None, None, None)
