"""A picture's run from within: its snapshots, its dress, its files, its statistics, the archive and the helpers."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from phaseline.errors import InvalidAddress, InvalidSeries
from phaseline_server.dalle import force_metrics_save, get_progress, reset_metrics_for_test
from phaseline_server.pictures.storage import Storage
from tests.support.disks import names
from tests.support.misbehaving import answer, misbehaving
from tests.support.pictures import BAD, GOOD, Gate, Snapshot, ask, forget_jobs, made, studio, wait_over
from tests.support.servers import serving

PATH = "/dalle/tiny/0xabc"
PHASES = [
    "setup",
    "base_prompts",
    "enhance_prompt",
    "image_prep",
    "image_wait",
    "image_download",
    "annotate",
    "completed",
]
# As printed in the quick start of pictures, then ours.
KEYS = [
    "series",
    "address",
    "currentPhase",
    "startedNs",
    "percent",
    "etaSeconds",
    "done",
    "error",
    "cacheHit",
    "phases",
    "dalleDress",
    "phaseAverages",
    "phasePercent",
    "phaseEtaSeconds",
    "phaseIndex",
    "phaseCount",
    "jobId",
    "seq",
    "startedAt",
    "etaLowSeconds",
    "etaHighSeconds",
    "finishAt",
    "finishLowAt",
    "finishHighAt",
    "etaBasis",
    "etaRuns",
    "etaReasons",
]
DRESS_KEYS = [
    "original",
    "fileName",
    "seed",
    "prompt",
    "dataPrompt",
    "titlePrompt",
    "tersePrompt",
    "enhancedPrompt",
    "attributes",
    "seedChunks",
    "selectedTokens",
    "selectedRecords",
    "imageUrl",
    "generatedPath",
    "annotatedPath",
    "downloadMode",
    "ipfsHash",
    "cacheHit",
    "completed",
    "series",
]
ATTRIBUTE_KEYS = ["database", "name", "bytes", "number", "factor", "count", "selector", "value"]


def metrics(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data_dir / "metrics" / "progress_phase_stats.json").read_bytes())
    return found


def has_metrics(data_dir: Path) -> bool:
    return (data_dir / "metrics" / "progress_phase_stats.json").exists()


def check(snapshot: Snapshot) -> None:
    """Check what holds for every snapshot."""
    assert list(snapshot) == KEYS
    assert list(snapshot["dalleDress"]) == DRESS_KEYS
    assert all(list(attribute) == ATTRIBUTE_KEYS for attribute in snapshot["dalleDress"]["attributes"])
    assert [phase["name"] for phase in snapshot["phases"]] == PHASES
    for phase in snapshot["phases"]:
        assert list(phase) == ["name", "startedNs", "endedNs", "skipped", "error"]
        assert phase["endedNs"] == 0 or phase["startedNs"] <= phase["endedNs"]
    assert snapshot["phaseCount"] == 8
    assert PHASES[snapshot["phaseIndex"] - 1] == snapshot["currentPhase"]
    assert 0 <= snapshot["percent"] <= 100
    assert snapshot["startedAt"].endswith("Z")
    # Nothing remains of what is done, and never a made-up nothing of what isn't.
    assert (snapshot["etaSeconds"] == 0) is snapshot["done"]


async def polled(client: Any, path: str) -> list[Snapshot]:
    """Have a picture made, and return every snapshot that a client sees that polls often."""
    seen = [await ask(client, f"{path}?generate=1")]
    with trio.fail_after(60):
        while not seen[-1]["done"]:
            await trio.sleep(0.05)  # as pollers do: the painter's process needs the processor more
            seen.append(await ask(client, f"{path}?generate=1"))
    return seen


async def check_stream(client: Any, run: list[Snapshot]) -> None:
    """Check that the stream tells of each phase in its order; how much of that pollers see depends on their luck."""
    page = await ask(client, f"/progress/events?channels=job:{run[0]['jobId']}")
    first, *messages, last = page["messages"]
    assert (first["type"], last["type"]) == ("job_started", "job_completed")
    begun = [message["stage"] for message in messages if message["type"] == "job_progress"]
    assert list(dict.fromkeys(begun)) == [name for name in PHASES[:-1] if name != "enhance_prompt"]
    ended = [message["stage"] for message in messages if message["type"] == "stage_completed"]
    assert ended == PHASES[:-1]
    percents = [message["percent"] for message in messages]
    assert percents == sorted(percents)
    assert {snapshot["seq"] for snapshot in run} <= {message["seq"] for message in page["messages"]}


async def test_a_painted_picture_from_the_first_poll_to_the_last(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "tiny.json").write_text('{"detail": 1}')
    async with serving(tmp_path, picture_size="64x64") as client:
        first_run = await polled(client, PATH)
        await check_stream(client, first_run)
        second_run = await polled(client, "/dalle/tiny/0xdef")
        await check_stream(client, second_run)
    for run in (first_run, second_run):
        for snapshot in run:
            check(snapshot)
        percents = [snapshot["percent"] for snapshot in run]
        assert percents == sorted(percents)
        seqs = [snapshot["seq"] for snapshot in run]
        assert seqs == sorted(seqs)
        reached = [PHASES.index(snapshot["currentPhase"]) for snapshot in run]
        assert reached == sorted(reached)
        assert [snapshot["done"] for snapshot in run] == [False] * (len(run) - 1) + [True]
        assert (run[-1]["percent"], run[-1]["error"], run[-1]["cacheHit"]) == (100, "", False)
        assert [phase["name"] for phase in run[-1]["phases"] if phase["skipped"]] == ["enhance_prompt"]
        assert all(phase["startedNs"] for phase in run[-1]["phases"] if not phase["skipped"])
    # Without earlier runs, nothing is known until the painter reports its progress.
    assert first_run[0]["etaBasis"] == "none"
    assert {snapshot["etaBasis"] for snapshot in first_run[:-1]} <= {"none", "progress"}
    assert first_run[0]["phaseAverages"] == {}
    assert {snapshot["etaBasis"] for snapshot in second_run[:-1]} == {"history"}
    assert second_run[0]["phaseAverages"]["image_wait"] > 0
    check_files(tmp_path, first_run[-1])
    known = metrics(tmp_path)
    assert list(known) == ["version", "phaseAverages", "generationRuns", "cacheHits"]
    assert (known["version"], known["generationRuns"], known["cacheHits"]) == ("v1", 2, 0)
    assert set(known["phaseAverages"]) == set(PHASES) - {"enhance_prompt", "completed"}
    assert {average["count"] for average in known["phaseAverages"].values()} == {2}


def check_files(data_dir: Path, snapshot: Snapshot) -> None:
    """Check that a picture's files are where they belong, and hold what the dress says."""
    dress, root = snapshot["dalleDress"], data_dir / "output" / "tiny"
    assert names(root) == sorted(["data", "title", "terse", "prompt", "enhanced", "generated", "annotated", "selector"])
    texts = {"data": "dataPrompt", "title": "titlePrompt", "terse": "tersePrompt", "prompt": "prompt"}
    for kind, key in (texts | {"enhanced": "enhancedPrompt"}).items():
        assert (root / kind / "0xabc.txt").read_text() == dress[key] + "\n"
    assert json.loads((root / "selector" / "0xabc.json").read_bytes()) == dress
    assert dress["generatedPath"] == "output/tiny/generated/0xabc.png"
    assert dress["annotatedPath"] == "output/tiny/annotated/0xabc.png"
    assert (dress["completed"], dress["cacheHit"], dress["downloadMode"]) == (True, False, "local")
    with Image.open(data_dir / dress["generatedPath"]) as generated:
        assert generated.size == (64, 64)
    with Image.open(data_dir / dress["annotatedPath"]) as annotated:
        assert annotated.width == 64
        assert annotated.height > 64
    # Nothing that was only needed on the way is left.
    assert names(data_dir / "output") == [".scratch", "tiny"]
    assert names(data_dir / "output" / ".scratch") == []


async def test_a_painted_picture_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "tiny.json").write_text('{"detail": 1}')
    async with serving(tmp_path, picture_size="64x64", max_picture_bytes=1024) as client:
        last = await made(client, PATH)
        assert [phase["name"] for phase in last["phases"] if phase["error"]] == ["image_download", "completed"]
        assert "1,024" in last["error"] or "1024" in last["error"]
        assert names(tmp_path / "output" / ".scratch") == []


async def test_the_same_address_has_the_same_dress_on_any_server(tmp_path: Path) -> None:
    dresses = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        async with studio(tmp_path / str(number), GOOD) as (client, _):
            first = await made(client, "/dalle/nocturne/0xABC")
            other = await made(client, "/dalle/nocturne/0xabd")
        check(first)
        assert first["dalleDress"]["original"] == first["address"] == "0xabc"
        assert first["dalleDress"]["prompt"] != other["dalleDress"]["prompt"]
        dresses.append(first["dalleDress"])
    assert dresses[0] == dresses[1]


async def test_the_dress_is_whole_from_the_first_snapshot_on(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        first = await ask(client, "/dalle/simple/0x1?generate=1")
        check(first)
        gate.opened.set()
        await wait_over()
        last = await ask(client, "/dalle/simple/0x1")
    found = {key for key in DRESS_KEYS if first["dalleDress"][key] != last["dalleDress"][key]}
    assert found == {"generatedPath", "annotatedPath", "downloadMode", "completed"}


async def test_cache_hits_are_counted_and_failures_are_not_and_neither_teaches(tmp_path: Path) -> None:
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


async def test_statistics_are_saved_while_the_server_runs(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        with trio.fail_after(30):
            while not has_metrics(tmp_path):
                await trio.lowlevel.checkpoint()
        assert metrics(tmp_path)["generationRuns"] == 1


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


async def test_runs_are_not_archived_otherwise(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
    assert names(tmp_path / "metrics") == ["progress_phase_stats.json"]


async def test_get_progress_drops_a_finished_run_after_it_was_returned_once(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        assert get_progress("simple", "0xABC") is None
        await ask(client, "/dalle/simple/0xabc?generate=1")
        for _ in range(2):
            active = get_progress("simple", "0xABC")
            assert active is not None
            assert list(active) == KEYS
            assert active["done"] is False
        gate.opened.set()
        await wait_over()
        last = get_progress("simple", "0xabc")
        assert last is not None
        assert (last["done"], last["percent"]) == (True, 100)
        assert get_progress("simple", "0xabc") is None
    assert get_progress("simple", "0xabc") is None
    with pytest.raises(InvalidSeries):
        get_progress("../x", "0xabc")
    with pytest.raises(InvalidAddress):
        get_progress("simple", "abc")


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


async def test_the_helpers_work_without_a_server_on_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert get_progress("simple", "0x1") is None
    force_metrics_save()
    assert metrics(tmp_path)["generationRuns"] == 0
    reset_metrics_for_test()
    assert names(tmp_path / "metrics") == []


async def test_the_prompt_is_enhanced_when_a_chat_model_is_configured(tmp_path: Path) -> None:
    output = answer({"choices": [{"message": {"content": "A better prompt."}}]})
    async with (
        misbehaving(output) as chat,
        studio(tmp_path, GOOD, chat_url=f"{chat.url}/v1", chat_model="any") as (client, images),
    ):
        last = await made(client, "/dalle/simple/0x1")
        assert not any(phase["skipped"] for phase in last["phases"])
        assert last["dalleDress"]["enhancedPrompt"] == "A better prompt."
        assert images.requests[0].json["prompt"] == "A better prompt."
        assert (tmp_path / "output/simple/enhanced/0x1.txt").read_text() == "A better prompt.\n"


async def test_what_is_no_picture_fails_its_phase_with_the_reason(tmp_path: Path) -> None:
    text = answer({"data": [{"b64_json": base64.b64encode(b"<html>sorry</html>").decode()}]})
    async with studio(tmp_path, text) as (client, _):
        last = await made(client, "/dalle/simple/0x1")
        check(last)
        phases = {phase["name"]: phase["error"] for phase in last["phases"]}
        assert phases["image_download"] == last["error"]
        assert "not a picture" in last["error"]
        job = (await ask(client, "/progress/job/dalle:simple:0x1"))["job_status"]
        assert (job["state"], job["success"], job["result"]["code"]) == ("failed", False, "PICTURE_ERROR")
        assert [error["error_type"] for error in job["errors"]] == ["PICTURE_ERROR"]
        assert (await client.get("/dalle/simple/0x1?format=png")).status_code == 404


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


def test_what_a_killed_server_has_left_unfinished_is_removed_at_the_start(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (storage.scratch.folder / "half.part").write_bytes(b"half")
    storage.scratch.clear()
    assert list(storage.scratch.folder.iterdir()) == []
