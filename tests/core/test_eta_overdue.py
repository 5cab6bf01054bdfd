"""Overlapping jobs: while long ones are active, the model has only learned from short ones."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from phaseline.eta.backtest import Estimates, Past, load, replay, score
from phaseline.eta.model import ModelEngine
from phaseline.eta.model.band import Band
from phaseline.eta.observed import Run, Step
from phaseline.eta.replay import Live, Model
from phaseline.model.events import JobCancelled, JobCompleted, JobProgress, JobStarted
from phaseline.model.job import Job
from tests.support.core_events import SECOND, moment

SERIES = 30
MOMENTS = 10


def overlapping(seed: int = 2) -> Sequence[Past]:
    """Return runs of series that begin soon after one another and of which each is about a twelfth longer."""
    rng, lines = random.Random(seed), []
    for number in range(3 * SERIES):
        ms = 20_000 * 1.08**number * rng.lognormvariate(0, 0.4)
        marks = [(ms * k / 20, k / 20) for k in range(1, 20)]
        phases = [{"name": "work", "durationMs": ms, "marks": marks}]
        line = {"series": f"s{number % SERIES}", "phases": phases, "ok": True, "startedNs": number * 1e10}
        lines.append(msgspec.json.encode(line))
    return load(lines)


class Blind(Model):
    """A model that does not see the other active runs."""

    def begin(self, run: Past) -> None:
        self._run, self._percent = run, 0.0


def above(estimates: Sequence[Estimates]) -> float:
    """Return the share of runs whose length is above the band at their beginning."""
    ends = [one.bands[0][1] for one in estimates if one.bands is not None]
    return sum(high < 1 for high in ends) / len(ends)


@pytest.fixture(scope="module")
def sighted() -> Sequence[Estimates]:
    return replay(overlapping(), Model(), MOMENTS)


@pytest.fixture(scope="module")
def blind() -> Sequence[Estimates]:
    return replay(overlapping(), Blind(), MOMENTS)


@pytest.mark.slow
def test_first_bands_end_higher_while_longer_runs_are_active(
    sighted: Sequence[Estimates], blind: Sequence[Estimates]
) -> None:
    assert above(sighted) <= 0.8 * above(blind)


@pytest.mark.slow
def test_other_active_runs_change_nothing_but_the_band(
    sighted: Sequence[Estimates], blind: Sequence[Estimates]
) -> None:
    assert [one.points for one in sighted] == [one.points for one in blind]
    assert [one.percents for one in sighted] == [one.percents for one in blind]


@pytest.mark.slow
def test_live_jobs_that_overlap_score_the_same_as_the_model(sighted: Sequence[Estimates]) -> None:
    model, live = score(sighted), score(replay(overlapping(), Live(), MOMENTS))
    assert model is not None
    assert live is not None
    assert live.nae1 == pytest.approx(model.nae1, abs=0.005)
    assert live.coverage == pytest.approx(model.coverage, abs=0.005)
    assert live.width == pytest.approx(model.width, rel=0.01)


class Server:
    """An engine that has learned three runs of 10 s, and active jobs of the same series that are watched."""

    def __init__(self) -> None:
        self.engine = ModelEngine()
        for ms in (9000, 10_000, 11_000):
            self.engine.learn_run(Run("w", "s", (Step("work", ms),)))

    def start(self, job_id: str) -> Job:
        job = Job(job_id)
        job.apply(JobStarted(job_id=job_id, workflow="w", series="s", phases=("work",)), moment(0))
        self.look(job, 0)
        return job

    def look(self, job: Job, at: float) -> None:
        self.engine.watch(job.job_id, job.elapsed_ns(moment(at)), self.engine.estimate(job, moment(at)))

    def high_ns(self, job_id: str = "new") -> int:
        job = Job(job_id)
        job.apply(JobStarted(job_id=job_id, workflow="w", series="s", phases=("work",)), moment(0))
        high_ns = self.engine.estimate(job, moment(0)).high_ns
        assert high_ns is not None
        return high_ns


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize("ends", [True, False])
def test_an_overdue_job_affects_estimates_until_it_ends(server: Server, ends: bool) -> None:
    before, job = server.high_ns(), server.start("slow")
    assert server.high_ns() == before
    server.look(job, 100)
    assert server.high_ns() > before
    assert server.high_ns("slow") == before  # a job does not count for itself
    event = JobCompleted(job_id="slow") if ends else JobCancelled(job_id="slow")
    job.apply(event, moment(100))
    server.engine.learn(job)
    assert not server.engine._overdue.misses("new")


def test_an_ended_job_does_not_affect_estimates_when_it_is_queried(server: Server) -> None:
    before, job = server.high_ns(), server.start("slow")
    server.look(job, 100)
    job.apply(JobCancelled(job_id="slow"), moment(100))
    server.engine.estimate(job, moment(101))
    assert server.high_ns() == before


def test_a_job_whose_progress_implies_a_long_rest_is_overdue_before_its_time(server: Server) -> None:
    before, job = server.high_ns(), server.start("slow")
    for second in range(1, 9):
        job.apply(JobProgress(job_id="slow", phase="work", progress=2.0 * second), moment(second))
    server.look(job, 8)
    assert before > 8e9
    assert server.high_ns() > before


def test_a_job_that_catches_up_no_longer_affects_estimates(server: Server) -> None:
    before, job = server.high_ns(), server.start("slow")
    for second in range(1, 9):
        job.apply(JobProgress(job_id="slow", phase="work", progress=2.0 * second), moment(second))
    server.look(job, 8)
    job.apply(JobProgress(job_id="slow", phase="work", progress=99.0), moment(8.5))
    server.look(job, 8.5)
    assert server.high_ns() == before


def test_overdue_jobs_of_a_series_with_many_runs_are_ignored(server: Server) -> None:
    for _ in range(10):
        server.engine.learn_run(Run("w", "s", (Step("work", 10_000),)))
    before, job = server.high_ns(), server.start("slow")
    server.look(job, 100)
    assert server.high_ns() == before


@pytest.mark.slow
def test_only_a_bounded_number_of_the_latest_overdue_jobs_is_used(server: Server) -> None:
    job = server.start("slow")
    estimate = server.engine.estimate(job, moment(0))
    for number in range(5000):
        server.engine.watch(f"slow {number}", 0, estimate)
    for number in range(4900, 5000):
        server.engine.watch(f"slow {number}", 1000 * SECOND, estimate)
    assert server.engine._overdue.misses("new") == 32
    assert len(server.engine._overdue._watched) == 4096


def test_misses_only_change_the_upper_levels() -> None:
    band = Band(0.1, 0.1, 0.1, 100)
    moved = band.missed(2, 0.05)
    assert moved.below == pytest.approx(0.1)
    assert moved.above < band.above
    assert moved.early < band.early
    assert band.missed(0, 0.05) is band
