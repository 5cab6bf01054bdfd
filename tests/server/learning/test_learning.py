"""Learning from ended jobs: percentiles, estimates and their accuracy survive a restart."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from phaseline.eta.model import ModelEngine
from phaseline.eta.model.history import History
from phaseline.eta.model.pace import Noise
from phaseline.eta.observed import Run
from phaseline.model.events import JobCancelled, JobCompleted, JobProgress, JobStarted
from phaseline.model.statistics import Statistics
from phaseline.wire import job_status
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.learning.learner import Learning
from phaseline_server.learning.scores import Scores
from phaseline_server.log.engines import open_store
from phaseline_server.log.stream import Log
from tests.support.films import PHASES, film
from tests.support.servers import serving
from tests.support.tracking import HandClock

SECONDS = (1.0, 8.0, 1.0)


@asynccontextmanager
async def learner(data_dir: Path, clock: HandClock) -> AsyncIterator[tuple[Tracker, Learning]]:
    """Yield a tracker that learns and estimates, on a manual clock."""
    async with open_store(data_dir) as store:
        statistics = Statistics()
        learning = Learning(store, statistics)
        learning.restore(await store.learned())
        log = Log(store, 1000, 1000)
        tracker = Tracker(log, learning.model, statistics, max_jobs=1000, clock=clock, listener=learning)
        async with tracker.keeping():
            yield tracker, learning


async def work(tracker: Tracker, clock: HandClock, name: str, *, pace: float = 1.0, end: bool = True) -> None:
    """Go through three phases, in virtual time."""
    await tracker.report(JobStarted(job_id=name, workflow="film", series="trailer", phases=PHASES))
    for phase, seconds in zip(PHASES, SECONDS, strict=True):
        for part in range(4):
            await tracker.report(JobProgress(job_id=name, phase=phase, progress=25 * part))
            clock.advance(seconds * pace / 4)
    if end:
        await tracker.report(JobCompleted(job_id=name))


async def test_a_job_that_is_overdue_raises_the_bands_of_others(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):

        async def high(name: str) -> float:
            await tracker.report(JobStarted(job_id=name, workflow="film", series="trailer", phases=PHASES))
            seconds = job_status(tracker.snapshot(name)).eta_high_seconds
            assert seconds is not None
            return seconds

        for number in range(3):
            await work(tracker, clock, f"film{number}")
        learning.learn_ended()
        usual = await high("first")
        await work(tracker, clock, "slow", pace=20, end=False)
        assert await high("second") > usual
        for name in ("first", "slow"):
            await tracker.report(JobCancelled(job_id=name))
        learning.learn_ended()
        assert await high("third") == usual


def test_scores_of_an_earlier_version_are_read_without_the_missing_fields() -> None:
    scores = Scores()
    scores.decode(("w", "s"), msgspec.msgpack.encode([[0.1, 0.8, 0.2]]))
    [score] = scores.table()
    assert (score.error, score.coverage, score.errors_at) == (0.1, 0.8, (None, None, None))


async def test_learned_durations_are_reported_and_survive_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(12):
            await work(tracker, clock, f"film{number}")
            learning.learn_ended()
        await learning.save()
        [score] = learning.scores.table()
        assert (score.workflow, score.series, score.runs) == ("film", "trailer", 12)  # the first one by its progress
        assert score.error is not None
        assert score.error < 0.1
        assert score.coverage is not None
        assert all(error is not None and error < 0.3 for error in score.errors_at)
        rolling = learning.durations.get(("film", "trailer", "render"))
        assert rolling is not None
        assert rolling.quantiles(0.5) == pytest.approx((8.0,))
        assert list(learning.recent["film", "trailer", "load"]) == pytest.approx([1.0] * 12)
    async with learner(tmp_path, clock) as (tracker, again):
        assert again.model.keys() == learning.model.keys() == [("film", "trailer")]
        assert list(again.scores.table()) == [score]
        assert again.model.encode(("film", "trailer")) == learning.model.encode(("film", "trailer"))
        await tracker.report(JobStarted(job_id="new", workflow="film", series="trailer", phases=PHASES))
        estimate = tracker.snapshot("new").estimate
        assert (estimate.basis, estimate.runs) == ("history", 12)
        assert estimate.remaining_ns == pytest.approx(10e9, rel=0.1)


async def test_unsaved_state_is_relearned_from_stored_runs(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(5):
            await work(tracker, clock, f"film{number}")
        await learning.save()
        for number in range(5, 8):
            await work(tracker, clock, f"film{number}", pace=2.0)
        learning.learn_ended()
        state = learning.model.encode(("film", "trailer"))
    async with learner(tmp_path, clock) as (_, again):
        assert again.model.encode(("film", "trailer")) == state


async def test_relearned_state_is_saved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.learning.learner._SCORES_S", 3600.0)
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, _):
        await work(tracker, clock, "film")
    async with learner(tmp_path, clock) as (_, learning), trio.open_nursery() as nursery:
        nursery.start_soon(learning.run)
        with trio.fail_after(60):
            while ("model", '["film","trailer"]') not in (await learning._store.learned()).states:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_only_the_latest_of_many_runs_are_relearned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.learning.learner._MOST_ANEW", 3)
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, _):
        for number in range(8):
            await work(tracker, clock, f"film{number}", pace=1.0 if number < 5 else 3.0)
    async with learner(tmp_path, clock) as (tracker, _):
        await tracker.report(JobStarted(job_id="new", workflow="film", series="trailer", phases=PHASES))
        estimate = tracker.snapshot("new").estimate
        assert estimate.runs == 3
        assert estimate.remaining_ns == pytest.approx(3e9 * sum(SECONDS), rel=0.1)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE learned SET state = x'00' WHERE key != 'upto'",
        "DELETE FROM learned WHERE kind = 'model' AND key != 'upto'",
    ],
    ids=["damaged", "missing"],
)
async def test_a_damaged_or_missing_state_is_relearned(tmp_path: Path, harm: str) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(5):
            await work(tracker, clock, f"film{number}")
        await learning.save()
        state = learning.model.encode(("film", "trailer"))
    with sqlite3.connect(tmp_path / "journal.sqlite3") as connection:
        assert connection.execute(harm).rowcount > 0
    connection.close()
    async with learner(tmp_path, clock) as (_, again):
        assert again.model.encode(("film", "trailer")) == state


async def test_the_state_shared_by_all_series_survives_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(8):
            await work(tracker, clock, f"film{number}", pace=1.0 + number % 2)
        await learning.save()
        common = learning.model.encode_common()
        assert common != ModelEngine().encode_common()
    async with learner(tmp_path, clock) as (_, again):
        assert again.model.encode_common() == common


async def test_an_evicted_series_is_deleted_from_the_journal(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(3):
            await work(tracker, clock, f"film{number}")
        await learning.save()
        assert ("model", '["film","trailer"]') in (await learning._store.learned()).states
        learning.model.forget(("film", "trailer"))
        await learning.save()
        kept = (await learning._store.learned()).states
        assert ("model", '["film","trailer"]') not in kept
        assert ("scores", '["film","trailer"]') in kept


async def test_the_accuracy_of_a_workers_progress_is_learned(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(6):
            await work(tracker, clock, f"film{number}")  # its worker's progress is always exact
        learning.learn_ended()
        exact = History.decode(learning.model.encode(("film", "trailer"))).noise.trust(Noise())
        assert exact.log_c < Noise().trust(Noise()).log_c - 2
        [*_, run] = (await learning._store.learned()).runs
        marks = msgspec.json.decode(run.body, type=Run).marks
        assert [ms for ms, _ in marks["render"]] == pytest.approx([0, 2000, 4000, 6000])
        assert [fraction for _, fraction in marks["render"]] == [0, 0.25, 0.5, 0.75]


async def work_over_http(client: httpx.AsyncClient, name: str, *, fail: bool = False) -> None:
    answer = (await client.post("/progress/batch", json=film(name, fail=fail))).json()
    assert answer["success"], answer


async def test_each_series_has_its_own_average(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for series, seconds in (("short", 1), ("long", 5)):
            events = [each | {"age_seconds": each["age_seconds"] * seconds} for each in film(series)]
            events[0]["series"] = series
            assert (await client.post("/progress/batch", json=events)).json()["success"]
        lines = (await client.get("/metrics/phases")).json()["phases"]
        averages = {line["series"]: line["avg_seconds"] for line in lines if line["phase"] == "load"}
        assert averages == {"short": pytest.approx(1, abs=0.2), "long": pytest.approx(5, abs=0.2)}


async def test_the_routes_show_the_learned_state(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(3):
            await work_over_http(client, f"j{number}")
        await work_over_http(client, "bad", fail=True)
        phases = (await client.get("/metrics/phases")).json()
        [load, render, write] = phases["phases"]
        assert (load["workflow"], load["series"], load["phase"], load["count"]) == ("film", "s", "load", 4)
        assert (load["p50_seconds"], render["p99_seconds"]) == (pytest.approx(1, abs=0.2), pytest.approx(1, abs=0.2))
        assert (len(load["recent_seconds"]), load["avg_seconds"]) == (4, pytest.approx(1, abs=0.2))
        assert (write["phase"], write["count"]) == ("write", 3)
        assert phases["failures"] == [{"workflow": "film", "phase": "write", "count": 1}]
        assert {slow["job_id"] for slow in phases["slowest"]} == {"j0", "j1", "j2"}
        with trio.fail_after(30):
            while not (eta := (await client.get("/metrics/eta")).json())["series"]:  # noqa: ASYNC110 - learned off the way
                await trio.sleep(0.02)
        assert eta["engine"] == "model"
        assert eta["series"][0]["series"] == "s"
        text = (await client.get("/metrics")).text
        assert 'phaseline_phase_seconds{phase="load",quantile="0.95",series="s",workflow="film"}' in text


@pytest.mark.parametrize(("engine", "band"), [("ema", False), ("model", True)])
async def test_the_engine_can_be_chosen(tmp_path: Path, engine: str, band: bool) -> None:
    async with serving(tmp_path, eta_engine=engine) as client:
        for number in range(3):
            await work_over_http(client, f"j{number}")
        await client.post(
            "/progress/start", json={"job_id": "new", "workflow": "film", "series": "s", "phases": PHASES}
        )
        status = (await client.get("/progress/job/new")).json()["job_status"]
        assert status["eta_basis"] == "history"
        assert status["eta_seconds"] == pytest.approx(3, rel=0.6)
        assert (status["eta_low_seconds"] is not None) is band
        assert (status["finish_high_at"] is not None) is band


async def test_a_change_of_the_estimate_has_a_reason(tmp_path: Path) -> None:
    clock = HandClock()
    async with learner(tmp_path, clock) as (tracker, learning):
        for number in range(8):
            await work(tracker, clock, f"film{number}")
            learning.learn_ended()
        await tracker.report(JobStarted(job_id="slow", workflow="film", series="trailer", phases=PHASES))
        await tracker.report(JobProgress(job_id="slow", phase="load"))
        assert tracker.snapshot("slow").reasons == ()
        for _ in range(8):
            clock.advance(2)
            tracker.snapshot("slow")
        snapshot = tracker.snapshot("slow")
        reason = snapshot.reasons[-1]
        assert reason.change_ns > 0
        assert "load is " in reason.text
        assert "its usual length: +" in reason.text
        assert job_status(snapshot).eta_reasons[-1].text == reason.text


async def test_tables_and_metrics_stay_bounded_with_endless_new_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline.model.statistics.MAX_PHASES_KNOWN", 30)
    monkeypatch.setattr("phaseline_server.learning.learner._MOST_PHASES", 20)
    monkeypatch.setattr("phaseline_server.http.routes.metrics._MOST_PHASES", 10)
    async with serving(tmp_path) as client:
        for number in range(40):
            job = {"job_id": f"{number}"}
            reports = [
                {"type": "job_started", **job, "workflow": f"w{number:02}"},
                {"type": "job_progress", **job, "stage": "render"},
                {"type": "stage_completed", **job, "stage": "render"},
                {"type": "job_completed", **job},
            ]
            assert (await client.post("/progress/batch", json=reports)).json()["refused"] == 0
        lines = (await client.get("/metrics")).text.splitlines()
        listed = [line for line in lines if line.startswith("phaseline_phase_average_seconds{")]
        assert [line.split('"')[3 if "phase=" in line.split('"')[0] else 1] for line in listed] == [
            f"w{number}" for number in range(30, 40)
        ]
        assert 'phaseline_names_evicted_total{table="averages"} 10.0' in lines
        assert 'phaseline_names_evicted_total{table="durations"} 20.0' in lines
        assert len([line for line in lines if line.startswith("phaseline_phase_seconds{")]) == 3 * 10
