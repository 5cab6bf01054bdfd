"""The text of why an estimate moved."""

import pytest

from phaseline.eta.reasons import MAX_REASONS, Reasons
from phaseline.model.events import JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate
from tests.support.core_events import SECOND, moment

USUAL = {name: seconds * SECOND for name, seconds in {"setup": 10, "image_wait": 50, "annotate": 10}.items()}


class Watched:
    def __init__(self) -> None:
        self.job = Job("j")
        self.job.apply(JobStarted(job_id="j", workflow="w", phases=tuple(USUAL)), moment(0))
        self.reasons = Reasons()

    def enter(self, phase: str, at: float, progress: float | None = None) -> None:
        self.job.apply(JobProgress(job_id="j", phase=phase, progress=progress), moment(at))

    def reason(self, remaining: float | None, at: float) -> str | None:
        remaining_ns = None if remaining is None else round(remaining * SECOND)
        reason = self.reasons.look(self.job, Estimate(0, remaining_ns), lambda: USUAL, moment(at))
        return reason.text if reason else None


@pytest.fixture
def watched() -> Watched:
    made = Watched()
    made.enter("setup", 0)
    assert made.reason(70, 0) is None
    return made


def test_elapsed_time_is_not_a_change_of_the_estimate(watched: Watched) -> None:
    assert [watched.reason(70 - at, at) for at in range(1, 60)] == [None] * 59


def test_a_phase_that_lasts_too_long_is_a_reason(watched: Watched) -> None:
    watched.enter("image_wait", 10)
    assert watched.reason(60, 10) is None
    assert watched.reason(40, 100) == "image_wait is 1.8x its usual length: +40 s"


def test_slow_earlier_phases_are_a_reason(watched: Watched) -> None:
    watched.enter("image_wait", 13)
    watched.enter("annotate", 78)
    assert watched.reason(14, 78) == "the first two phases took 1.3x the usual time: +14 s"


def test_a_single_slow_phase_is_a_reason(watched: Watched) -> None:
    watched.enter("image_wait", 20)
    assert watched.reason(90, 20) == "setup took 2.0x its usual length: +40 s"


def test_reported_progress_is_a_reason(watched: Watched) -> None:
    watched.enter("setup", 8, 25)
    assert watched.reason(90, 8) == "the worker reports setup 25 % done after 8.0 s: +28 s"


def test_progress_within_the_first_second_is_reported_without_its_time(watched: Watched) -> None:
    watched.enter("setup", 0.4, 54)
    assert watched.reason(90, 0.4) == "the worker reports setup 54 % done: +20 s"


def test_a_change_of_less_than_a_second_has_no_reason(watched: Watched) -> None:
    watched.enter("image_wait", 10)
    assert watched.reason(2, 66) == "image_wait started: -2.0 s"
    assert watched.reason(1.1, 66) is None
    assert watched.reason(0.5, 66) == "image_wait continues: -1.5 s"


def test_a_skipped_phase_is_a_reason(watched: Watched) -> None:
    watched.enter("annotate", 10)
    assert watched.reason(10, 10) == "image_wait was skipped: -50 s"


def test_an_opposite_effect_is_not_a_reason(watched: Watched) -> None:
    watched.enter("annotate", 20)  # setup was slow, and image_wait was skipped
    assert watched.reason(300, 20) == "setup took 2.0x its usual length: +4.2 min"
    watched.enter("image_wait", 20.5)  # annotate was quick
    assert watched.reason(900, 20.5) == "image_wait started: +10.0 min"
    assert watched.reason(20, 120) == "image_wait continues: -13.0 min"


def test_a_phase_that_took_almost_no_time_is_a_reason(watched: Watched) -> None:
    watched.enter("image_wait", 0.1)
    assert watched.reason(50, 0.1) == "setup took less than a tenth of its usual length: -20 s"


def test_small_steps_add_up(watched: Watched) -> None:
    reasons = [watched.reason(70 + at, at) for at in range(1, 8)]
    assert reasons[0] is reasons[1] is None
    assert any(reasons)


def test_the_latest_five_are_kept_with_their_time_and_change(watched: Watched) -> None:
    for n in range(8):
        watched.reason(70 * 2**n, n + 1)
    kept = watched.reasons.of("j")
    assert len(kept) == MAX_REASONS
    assert [reason.at_ns for reason in kept] == sorted(reason.at_ns for reason in kept)
    assert kept[-1].change_ns == (70 * 2**7 - (70 * 2**6 - 1)) * SECOND


def test_an_unknown_estimate_has_no_change(watched: Watched) -> None:
    assert watched.reason(None, 1) is None
    assert watched.reason(500, 2) is None
    assert watched.reason(498, 4) is None


def test_a_forgotten_job_has_no_reasons(watched: Watched) -> None:
    watched.job.apply(PhaseCompleted(job_id="j", phase="setup"), moment(5))
    assert watched.reason(7, 5) is not None
    watched.reasons.forget("j")
    assert watched.reasons.of("j") == ()


def test_a_restarted_job_is_not_compared_with_its_earlier_run(watched: Watched) -> None:
    watched.job.apply(JobCompleted(job_id="j"), moment(1))
    watched.job.apply(JobStarted(job_id="j", workflow="w", phases=tuple(USUAL)), moment(2))
    assert watched.reason(500, 80) is None
    assert watched.reasons.of("j") == ()


def test_a_covariate_that_changes_is_a_reason(watched: Watched) -> None:
    watched.job.apply(PhotoInfo(job_id="j", data={"size": 1}), moment(1))
    assert watched.reason(400, 1) == "the facts about the job changed: +5.5 min"
    watched.job.apply(PhotoInfo(job_id="j", data={"size": 2}), moment(2))
    assert watched.reason(4000, 2) == "the facts about the job changed: +60.0 min"
