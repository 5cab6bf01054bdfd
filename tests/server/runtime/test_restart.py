"""A killed and restarted server keeps everything that it acknowledged."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.crashing import Crashing, crashing
from tests.support.journals import NAME, contents
from tests.support.misbehaving import misbehaving
from tests.support.pictures import GOOD, Gate, png

PATH = "/dalle/simple/0x1"


def stages(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in job["stages"] if stage["state"] != "pending"}


async def work_through(box: Crashing, job_id: str, *phases: str) -> None:
    """Report a job that goes through these phases and ends well."""
    await box.report("start", job_id)
    for phase in phases:
        await box.report("report", job_id, stage=phase)
        await box.report("stage", job_id, stage=phase)
    await box.report("complete", job_id)


def timeless(status: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a job's status that do not depend on the time of the request."""
    return {name: value for name, value in status.items() if not name.startswith(("eta_", "finish_", "percent"))}


async def test_acknowledged_reports_survive_a_restart_and_numbers_continue(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        await work_through(box, "done", "importing", "exporting")
        await box.report("start", "running", photo_id=7, host="here")
        await box.report("report", "running", stage="importing", progress=40, message="nearly")
        await box.report("photo", "running", photo_data={"iso": 200})
        await box.report("error", "running", error_type="IO", error_message="slow disk")
        last = await box.post("/ws/broadcast", message={"type": "notice", "text": "hello"}, channel="system")
        before, status = await box.events(), [await box.job("done"), await box.job("running")]
        position = (await box.get("/progress/events", since=f"{before[0]['epoch']}/0"))["position"]
        await box.kill()
    async with crashing(tmp_path) as box:
        assert await box.events() == before
        assert await box.job("done") == status[0]
        again = await box.job("running")
        assert again.pop("elapsed_seconds") >= status[1].pop("elapsed_seconds")
        [now], [then] = again.pop("stages")[:1], status[1].pop("stages")[:1]
        assert now.pop("elapsed_seconds") >= then.pop("elapsed_seconds")
        # No server was there to receive its progress.
        assert (then.pop("measured"), now.pop("measured")) == (True, False)
        assert now == then
        assert timeless(again) == timeless(status[1])
        assert list((await box.get("/progress/active"))["active_jobs"]) == ["running"]
        assert (await box.get("/progress/events", since=f"{position['epoch']}/{position['seq']}"))["count"] == 0
        assert await box.report("report", "running", stage="exif_analysis") == last["seq"] + 1 == len(before) + 1
        assert {message["epoch"] for message in await box.events()} == {before[0]["epoch"]}


async def test_durations_that_span_a_restart_are_not_learned(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        await box.report("start", "a")
        await box.report("report", "a", stage="importing")
        await box.report("report", "a", stage="exif_analysis")
        await box.report("start", "waits")
        await box.kill()
    async with crashing(tmp_path) as box:
        await box.report("report", "a", stage="ai_evaluation")
        await box.report("complete", "a")
        assert {
            name: stage["measured"] for name, stage in stages(await box.job("a")).items() if stage["started_at"]
        } == {
            "importing": True,
            "exif_analysis": False,
            "ai_evaluation": True,
        }
        # Only reported at its end, so it may have begun before the gap.
        await box.report("stage", "waits", stage="importing")
        await box.report("stage", "waits", stage="exif_analysis")
        await box.report("complete", "waits")
        assert {name: stage["measured"] for name, stage in stages(await box.job("waits")).items()}["importing"] is False
        averages = (await box.get("/metrics", format="json"))["phases"]["phaseAverages"]
        assert {name: average["count"] for name, average in averages.items()} == {
            "photo/importing": 1,
            "photo/exif_analysis": 1,
            "photo/ai_evaluation": 1,
        }


def check_agreement(data_dir: Path, reported: dict[str, Any]) -> None:
    """Check that statistics, journal and metrics file agree."""
    kept = contents(data_dir / NAME)
    averages = {
        phase if workflow == "dalle" else f"{workflow}/{phase}": {"count": count, "avgNs": avg_ns}
        for workflow, phase, count, avg_ns in kept["averages"]
    }
    meta = dict(kept["meta"])
    counts = {"generationRuns": meta["generation_runs"], "cacheHits": meta["cache_hits"]}
    assert reported == {"version": "v1", "phaseAverages": averages, **counts}
    assert json.loads((data_dir / "metrics" / "progress_phase_stats.json").read_text()) == reported


@pytest.mark.slow
async def test_statistics_journal_and_metrics_file_agree_after_a_restart(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        for number in range(20):
            await work_through(box, f"job{number}", "importing", "exporting")
        reported = (await box.get("/metrics", format="json"))["phases"]
        # The file is written within a second; the server is killed before that.
        await box.kill()
    async with crashing(tmp_path) as box:
        assert (await box.get("/metrics", format="json"))["phases"] == reported
        box.server.process.terminate()
        assert await box.server.process.wait() == 0
    check_agreement(tmp_path, reported)
    assert reported["phaseAverages"]["photo/importing"]["count"] == 20


@pytest.mark.parametrize("torn", [b"", b'{"version": "v1", "phaseAver', b"\0" * 300], ids=["empty", "torn", "zeros"])
async def test_a_torn_metrics_file_is_renamed_and_rebuilt_from_the_journal(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "metrics" / "progress_phase_stats.json"
    async with crashing(tmp_path) as box:
        await work_through(box, "a", "importing")
        reported = (await box.get("/metrics", format="json"))["phases"]
        await box.kill()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(torn)
    async with crashing(tmp_path) as box:
        assert (await box.get("/metrics", format="json"))["phases"] == reported
        assert any("metrics file renamed" in line for line in box.server.log)
        box.server.process.terminate()
        await box.server.process.wait()
    check_agreement(tmp_path, reported)
    [aside] = path.parent.glob("*.corrupt-*")
    assert aside.read_bytes() == torn


async def test_reports_resent_after_a_restart_are_recorded_once(tmp_path: Path) -> None:
    reports: list[dict[str, Any]] = [
        {"type": "job_started", "job_id": "a"},
        {"type": "job_progress", "job_id": "a", "stage": "importing"},
        {"type": "job_progress", "job_id": "a", "stage": "exif_analysis"},
    ]
    reports = [report | {"producer": "worker", "producer_seq": number} for number, report in enumerate(reports, 1)]
    async with crashing(tmp_path) as box:
        assert await box.batch(*reports[:2]) == [1, 2]
        await box.kill()
    for _ in range(2):
        async with crashing(tmp_path) as box:
            assert (await box.batch(*reports))[-1] == 3
            assert [message["type"] for message in await box.events()] == [report["type"] for report in reports]
            await box.kill()


def with_api(port: int) -> tuple[str, ...]:
    return ("--provider", "openai", "--image-url", f"http://127.0.0.1:{port}/v1", "--image-retries", "0")


async def wait_done(box: Crashing) -> dict[str, Any]:
    """Return the run's last snapshot; each answer takes a while, so the loop needs no sleep."""
    while not (run := await box.get(PATH))["done"]:
        pass
    return run


@pytest.mark.slow
async def test_an_interrupted_picture_continues_when_it_is_requested_again(tmp_path: Path) -> None:
    gate = Gate()
    async with misbehaving(gate, GOOD) as api:
        async with crashing(tmp_path, *with_api(api.port)) as box:
            first = await box.get(f"{PATH}?generate=1")
            await gate.asked.wait()
            await box.kill()
        async with crashing(tmp_path, *with_api(api.port)) as box:
            run = await box.get(PATH)
            assert (run["done"], run["startedAt"], run["error"]) == (True, first["startedAt"], "interrupted")
            assert run["dalleDress"]["prompt"]
            job = await box.job(run["jobId"])
            assert (job["state"], job["result"]["error"], job["result"]["code"]) == (
                "failed",
                "interrupted",
                "INTERRUPTED",
            )
            assert [error["error_type"] for error in job["errors"]] == ["INTERRUPTED"]
            # A plain GET starts nothing.
            assert len(api.requests) == 1
            # The picture arrived just before the end, and is not paid for again.
            generated = tmp_path / "output" / "simple" / "generated" / "0x1.png"
            generated.parent.mkdir(parents=True, exist_ok=True)
            generated.write_bytes(png())
            assert (await box.get(f"{PATH}?generate=1"))["done"] is False
            assert (await wait_done(box))["error"] == ""
            assert len(api.requests) == 1
            assert (await box.client.get(f"{PATH}?format=png")).status_code == 200


@pytest.mark.slow
async def test_an_undelivered_picture_is_requested_again_after_a_restart(tmp_path: Path) -> None:
    gate = Gate()
    async with misbehaving(gate, GOOD) as api:
        async with crashing(tmp_path, *with_api(api.port)) as box:
            await box.get(f"{PATH}?generate=1")
            await gate.asked.wait()
            await box.kill()
        async with crashing(tmp_path, *with_api(api.port)) as box:
            await box.get(f"{PATH}?generate=1")
            assert (await wait_done(box))["error"] == ""
            assert len(api.requests) == 2


@pytest.mark.slow
async def test_a_finished_run_can_be_polled_after_a_restart(tmp_path: Path) -> None:
    async with misbehaving(GOOD) as api:
        async with crashing(tmp_path, *with_api(api.port)) as box:
            await box.get(f"{PATH}?generate=1")
            before = await wait_done(box)
            await box.kill()
        async with crashing(tmp_path, *with_api(api.port)) as box:
            after = [await box.get(PATH), await box.get(f"{PATH}?generate=1")]
            assert len(api.requests) == 1
        same = before.keys() - {"dalleDress", "cacheHit"}
        for run in after:
            assert {key: run[key] for key in same} == {key: before[key] for key in same}


async def test_a_report_during_a_restart_is_not_rejected(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        await box.report("start", "a")
        await box.kill()
        with pytest.raises(httpx.TransportError):
            await box.report("report", "a", stage="importing")
    async with crashing(tmp_path) as box:
        assert await box.report("report", "a", stage="importing") == 2
