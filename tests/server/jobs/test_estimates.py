"""The estimates that messages carry: reused for a second, and never after the job has changed."""

from collections.abc import Sequence

import pytest

from phaseline.model.events import Event, JobProgress, JobQueued, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.statistics import Average, Statistics
from phaseline_server.jobs.estimates import Estimates
from tests.support.core_events import moment


class Counting:
    """An engine whose answers are numbered."""

    def __init__(self) -> None:
        self.asked = 0

    def estimate(self, job: Job, now: Moment) -> Estimate:
        del job, now
        self.asked += 1
        return Estimate(percent=0.0, runs=self.asked)


def job_in(*reports: Event) -> Job:
    job = Job("j")
    for event in (JobStarted(job_id="j", phases=("a", "b", "c")), JobProgress(job_id="j", phase="a"), *reports):
        job.apply(event, moment(0))
    return job


def test_within_a_second_an_estimate_is_reused() -> None:
    estimates, job = Estimates(Counting(), Statistics()), job_in()
    first = estimates.recent(job, moment(0))
    assert estimates.recent(job, moment(0.9)) is first
    assert estimates.exact(job, moment(0.9)) is first.estimate
    assert estimates.recent(job, moment(1)).estimate.runs == 2


def test_a_reused_estimate_counts_down() -> None:
    estimates, job = Estimates(Fixed(), Statistics()), job_in()
    estimates.recent(job, moment(1))
    assert estimates.exact(job, moment(1.75)).remaining_ns == 9.25e9
    assert estimates.recent(job, moment(1.75)).estimate.remaining_ns == 10e9


def test_the_estimate_of_a_job_whose_worker_is_gone_does_not_count_down() -> None:
    job = job_in()
    estimates = Estimates(Fixed(), Statistics(), gone_since=lambda _: moment(0.5))
    assert estimates.exact(job, moment(1)).remaining_ns == 10e9
    assert estimates.exact(job, moment(1.75)).remaining_ns == 10e9


class Elapsed:
    """An engine that gives the time since the job's beginning."""

    def estimate(self, job: Job, now: Moment) -> Estimate:
        return Estimate(percent=0.0, remaining_ns=10**9 + job.elapsed_ns(now))


def test_the_estimate_of_a_queued_job_does_not_change_while_it_waits() -> None:
    job = Job("j")
    job.apply(JobQueued(job_id="j"), moment(0))
    estimates = Estimates(Elapsed(), Statistics())
    assert [estimates.exact(job, moment(at)).remaining_ns for at in (0, 0.5, 100)] == [10**9] * 3


def test_no_estimate_is_reused_after_the_clock_went_back() -> None:
    estimates, job = Estimates(Counting(), Statistics()), job_in()
    estimates.recent(job, moment(100))
    assert estimates.recent(job, moment(5)).estimate.runs == 2


@pytest.mark.parametrize(
    "event",
    [
        PhaseCompleted(job_id="j", phase="a"),
        PhaseCompleted(job_id="j", phase="c", skipped=True),
        JobProgress(job_id="j", phase="b"),
        PhotoInfo(job_id="j", data={"size": 3}),
        PhotoInfo(job_id="j", photo_id="p", data={}),
    ],
)
def test_an_estimate_is_not_reused_after_a_change_of_its_job(event: Event) -> None:
    estimates, job = Estimates(Counting(), Statistics()), job_in()
    estimates.recent(job, moment(0))
    job.apply(event, moment(0.1))
    assert estimates.recent(job, moment(0.1)).estimate.runs == 2


def test_the_estimate_of_a_message_is_at_most_a_second_older_than_that_of_a_snapshot() -> None:
    estimates, job = Estimates(Counting(), Statistics()), job_in()
    estimates.recent(job, moment(0))
    job.apply(JobProgress(job_id="j", phase="a", progress=50), moment(0.1))
    assert estimates.recent(job, moment(0.1)).estimate.runs == 1
    assert estimates.exact(job, moment(0.1)).runs == 2


def test_the_estimate_after_a_rolled_back_event_is_not_reused() -> None:
    estimates, before = Estimates(Counting(), Statistics()), job_in()
    lost, kept = before.copy(), before.copy()
    for job, progress in ((lost, 20), (kept, 90)):
        job.apply(JobProgress(job_id="j", phase="a", progress=progress), moment(0.1))
        job.seq = 3
        estimates.exact(job, moment(0.1))
    assert estimates.exact(kept, moment(0.1)).runs == 2


class Fixed:
    """An engine that gives this answer."""

    remaining_s = 10.0

    def estimate(self, job: Job, now: Moment) -> Estimate:
        del job, now
        return Estimate(percent=0.0, remaining_ns=round(self.remaining_s * 1e9))


def test_an_estimate_that_moves_has_a_reason_with_any_listener() -> None:
    engine, job = Fixed(), job_in()
    estimates = Estimates(engine, Statistics({(job.workflow.name, "a"): Average(1, 1_000_000_000)}))
    assert estimates.exact(job, moment(1)).remaining_ns == 10e9
    assert estimates.exact(job, moment(1)).remaining_ns == 10e9
    assert estimates.reasons("j") == ()
    engine.remaining_s = 20.0
    assert estimates.recent(job, moment(3)).estimate.remaining_ns == 20e9
    [reason] = estimates.reasons("j")
    assert reason.change_ns == 12e9
    assert reason.text == "a is 3.0x its usual length: +12 s"
    assert estimates.reasons("another") == ()


def test_the_listener_gets_each_new_estimate_once() -> None:
    class Noting:
        def __init__(self) -> None:
            self.runs: list[int] = []

        def reported(self, job: Job, now: Moment) -> None: ...

        def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
            del job, now
            self.runs.append(estimate.runs)

        def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None: ...

    listener, job = Noting(), job_in()
    estimates = Estimates(Counting(), Statistics(), listener)
    for seconds in (0, 0.5, 1, 1.5, 3):
        estimates.recent(job, moment(seconds))
    assert listener.runs == [1, 2, 3]
