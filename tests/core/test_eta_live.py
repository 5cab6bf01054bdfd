"""A server shows what backtests measure: an active job that is queried often gets the model's estimates."""

import pytest

from phaseline.eta.backtest import Situation, replay, score
from phaseline.eta.replay import Live, Model
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment
from tests.support.eta_worlds import MOMENTS, WORLDS, history


@pytest.mark.parametrize(("world", "marks"), [("skipping", 0), ("sized", 9), ("bimodal", 3)])
@pytest.mark.slow
def test_a_live_job_scores_the_same_as_the_model(world: str, marks: int) -> None:
    runs = history(WORLDS[world], 40, marks=marks)
    model, live = (score(replay(runs, engine, MOMENTS)) for engine in (Model(), Live()))
    assert model is not None
    assert live is not None
    assert live.nae1 == pytest.approx(model.nae1, abs=0.005)
    assert live.coverage == pytest.approx(model.coverage, abs=0.005)
    assert live.back == 0


@pytest.mark.parametrize("world", ["bimodal", "skipping"])
@pytest.mark.slow
def test_percent_is_not_worse_when_it_is_queried_often(world: str) -> None:
    runs = history(WORLDS[world], 60)
    model, live = (score(replay(runs, engine, MOMENTS)) for engine in (Model(), Live()))
    assert model is not None
    assert live is not None
    assert live.percent_error <= model.percent_error + 0.5


def test_a_live_job_is_estimated_at_the_end_of_phases_and_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    live, run = Live(), history(WORLDS["sized"], 1)[0]
    asked: list[int] = []
    estimate = live._engine.estimate

    def watched(job: Job, now: Moment) -> Estimate:
        asked.append(now.mono_ns)
        return estimate(job, now)

    monkeypatch.setattr(live._engine, "estimate", watched)
    live.begin(run)
    live.query(Situation(run, run.total * 0.999))
    ends = {round(bound * 1e6) for bound in run.bounds[1:-1]}
    assert ends <= set(asked)
    assert len(asked) >= run.total / 1000
    assert asked == sorted(asked)
