"""Counts, averages and archives of picture runs."""

import json
from pathlib import Path

import pytest
import trio

from phaseline_server.dalle import force_metrics_save, reset_metrics_for_test
from tests.support.disks import names
from tests.support.picture_runs import check, metrics
from tests.support.pictures import BAD, GOOD, ask, forget_jobs, made, studio, wait_over
from tests.support.servers import serving


def has_metrics(data_dir: Path) -> bool:
    return (data_dir / "metrics" / "progress_phase_stats.json").exists()


@pytest.mark.slow
async def test_cache_hits_are_counted_failures_are_not_and_neither_is_learned(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, BAD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        force_metrics_save()
        taught = metrics(tmp_path)
        assert (taught["generationRuns"], taught["cacheHits"]) == (1, 0)
        failed = await made(client, "/dalle/simple/0x2")
        assert failed["error"]
        force_metrics_save()
        after = metrics(tmp_path)
        assert (after["generationRuns"], after["cacheHits"]) == (1, 0)
        assert after["phaseAverages"]["image_wait"] == taught["phaseAverages"]["image_wait"]
        assert after["phaseAverages"]["setup"]["count"] == 2
    forget_jobs(tmp_path)
    async with studio(tmp_path, GOOD) as (client, _):
        for _ in range(3):
            assert (await ask(client, "/dalle/simple/0x1?generate=1"))["cacheHit"]
    assert metrics(tmp_path) == after | {"cacheHits": 1}


@pytest.mark.slow
async def test_statistics_are_saved_while_the_server_runs(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        with trio.fail_after(30):
            while not has_metrics(tmp_path):
                await trio.lowlevel.checkpoint()
        assert metrics(tmp_path)["generationRuns"] == 1


@pytest.mark.slow
async def test_runs_are_archived_when_that_is_wanted(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, BAD, archive_runs=True, done_ttl=0.0) as (client, _):
        for number in (1, 2):
            await ask(client, f"/dalle/simple/0x{number}?generate=1")
            await wait_over()
    good, bad = names(tmp_path / "metrics" / "runs")
    for name, failed in ((good, False), (bad, True)):
        snapshot = json.loads((tmp_path / "metrics" / "runs" / name).read_bytes())
        check(snapshot)
        assert name == f"simple-{snapshot['address']}-{snapshot['startedNs']}.json"
        assert snapshot["done"] is True
        assert bool(snapshot["error"]) is failed


@pytest.mark.slow
async def test_runs_are_not_archived_otherwise(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
    assert names(tmp_path / "metrics") == ["progress_phase_stats.json"]


@pytest.mark.slow
async def test_metrics_are_saved_and_reset_on_demand(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        force_metrics_save()
        assert metrics(tmp_path)["generationRuns"] == 1
        reset_metrics_for_test()
        assert names(tmp_path / "metrics") == []
        assert "phaseline_generation_runs_total 0.0" in (await client.get("/metrics")).text
        force_metrics_save()
        assert metrics(tmp_path) == {"version": "v1", "phaseAverages": {}, "generationRuns": 0, "cacheHits": 0}


async def test_other_jobs_are_archived_too(tmp_path: Path) -> None:
    async with serving(tmp_path, archive_runs=True) as client:
        await client.post("/progress/start", json={"job_id": "../render/7", "workflow": "render"})
        await client.post("/progress/report", json={"job_id": "../render/7", "stage": "denoise", "progress": 5})
        await client.post("/progress/complete", json={"job_id": "../render/7", "result": {"frames": 9}})
        runs = tmp_path / "metrics" / "runs"
        with trio.fail_after(30):
            while not list(runs.glob("*.json")):  # noqa: ASYNC110 - another task writes it
                await trio.sleep(0.01)
        [path] = runs.iterdir()
    assert path.name.startswith("_render_7-")
    status = json.loads(path.read_bytes())
    assert (status["state"], status["result"], status["percent"]) == ("completed", {"frames": 9}, 100.0)
