"""The run of a picture: its snapshots, its dress and its files."""

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
from tests.support.picture_runs import DRESS_KEYS, KEYS, PHASES, check, metrics
from tests.support.pictures import GOOD, Gate, Snapshot, ask, made, studio, wait_over
from tests.support.servers import serving

PATH = "/dalle/tiny/0xabc"


async def polled(client: Any, path: str) -> list[Snapshot]:
    """Request a picture, and return every snapshot that a frequently polling client receives."""
    seen = [await ask(client, f"{path}?generate=1")]
    with trio.fail_after(60):
        while not seen[-1]["done"]:
            await trio.sleep(0.05)  # as pollers do: the painter's process needs the processor more
            seen.append(await ask(client, f"{path}?generate=1"))
    return seen


async def check_stream(client: Any, run: list[Snapshot]) -> None:
    """Check that the stream reports each phase in order; pollers may miss some of them."""
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


@pytest.mark.slow
async def test_a_painted_picture_can_be_polled_to_its_end(tmp_path: Path) -> None:
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
    """Check that a picture's files have their paths, and contain the texts of the dress."""
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
    # No temporary file is left.
    assert names(data_dir / "output") == [".scratch", "tiny"]
    assert names(data_dir / "output" / ".scratch") == []


@pytest.mark.slow
async def test_a_rejected_painted_picture_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "tiny.json").write_text('{"detail": 1}')
    async with serving(tmp_path, picture_size="64x64", max_picture_bytes=1024) as client:
        last = await made(client, PATH)
        assert [phase["name"] for phase in last["phases"] if phase["error"]] == ["image_download", "completed"]
        assert "1,024" in last["error"] or "1024" in last["error"]
        assert names(tmp_path / "output" / ".scratch") == []


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


async def test_the_helpers_work_without_a_server_on_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert get_progress("simple", "0x1") is None
    force_metrics_save()
    assert metrics(tmp_path)["generationRuns"] == 0
    reset_metrics_for_test()
    assert names(tmp_path / "metrics") == []


@pytest.mark.slow
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


async def test_an_invalid_picture_fails_its_phase_with_the_reason(tmp_path: Path) -> None:
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


def test_unfinished_files_of_a_killed_server_are_removed_at_the_start(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (storage.scratch.folder / "half.part").write_bytes(b"half")
    storage.scratch.clear()
    assert list(storage.scratch.folder.iterdir()) == []
