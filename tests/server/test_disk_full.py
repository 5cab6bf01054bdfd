"""A full disk: runs fail and say so, the server goes on, and all is well once there is room."""

from pathlib import Path
from typing import Any

import httpx
import structlog.testing
import trio

from disks import files_at_most, fill
from pictures import GOOD, Gate, ask, made, studio, wait_over
from servers import serving

PATH = "/dalle/simple/0x1"


async def check_failed(client: httpx.AsyncClient, failed: dict[str, Any], phase: str) -> None:
    """Check that a run ended in this phase for want of room."""
    assert failed["done"] is True
    assert "make room" in failed["error"] or "free some space" in failed["error"]
    errors = {each["name"]: each["error"] for each in failed["phases"]}
    assert errors[phase] == failed["error"]
    job = (await ask(client, f"/progress/job/{failed['jobId']}"))["job_status"]
    assert (job["state"], job["result"]["code"], job["result"]["stage"]) == ("failed", "DISK_FULL", phase)
    assert (await ask(client, "/health"))["status"] == "ok"
    # Nothing was left half-written, and nothing claims to be there.
    assert failed["dalleDress"]["completed"] is False
    assert (await client.get(f"{PATH}?format=png")).json()["code"] == "NO_PICTURE"


async def retry(client: httpx.AsyncClient) -> dict[str, Any]:
    await ask(client, f"{PATH}?generate=1&retry=1")
    await wait_over()
    return await ask(client, PATH)


async def test_a_disk_that_is_full_from_the_beginning(small_disk: Path) -> None:
    async with studio(small_disk, GOOD) as (client, _):
        filler = fill(small_disk)
        await check_failed(client, await made(client, PATH), "base_prompts")
        filler.unlink()
        assert (await retry(client))["error"] == ""


async def test_a_disk_that_is_full_when_the_picture_comes(small_disk: Path) -> None:
    gate = Gate()
    async with studio(small_disk, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(60):
            await gate.asked.wait()
        filler = fill(small_disk)
        gate.opened.set()
        await wait_over()
        await check_failed(client, await ask(client, PATH), "image_download")
        filler.unlink()
        assert (await retry(client))["error"] == ""


async def test_a_painter_without_room_says_so(small_disk: Path) -> None:
    (small_disk / "series").mkdir()
    (small_disk / "series" / "simple.json").write_text('{"detail": 1}')
    # A picture of this size needs more than the whole disk.
    async with serving(small_disk, picture_size="512x512") as client:
        await check_failed(client, await made(client, PATH), "image_wait")
        assert not list((small_disk / "output" / ".scratch").iterdir())


async def test_a_server_starts_and_ends_on_a_full_disk(small_disk: Path) -> None:
    async with studio(small_disk, GOOD) as (client, _):
        await made(client, PATH)
    fill(small_disk)
    async with studio(small_disk, GOOD) as (client, _):
        assert (await ask(client, PATH))["cacheHit"] is True
        assert (await ask(client, f"{PATH}?generate=1"))["cacheHit"] is True
        assert (await client.get(f"{PATH}?format=png")).status_code == 200


async def test_statistics_that_could_not_be_saved_are_saved_later(small_disk: Path) -> None:
    async with studio(small_disk, GOOD) as (client, _):
        await made(client, PATH)
    before = (small_disk / "metrics" / "progress_phase_stats.json").read_bytes()
    filler = fill(small_disk)
    with structlog.testing.capture_logs() as logs:
        async with studio(small_disk, GOOD) as (client, _):
            await ask(client, f"{PATH}?generate=1")
            with trio.fail_after(60):
                while not logs:
                    await ask(client, "/health")
            assert (small_disk / "metrics" / "progress_phase_stats.json").read_bytes() == before
            filler.unlink()
    assert logs[0]["code"] == "DISK_FULL"
    assert b'"cacheHits": 1' in (small_disk / "metrics" / "progress_phase_stats.json").read_bytes()


async def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        with structlog.testing.capture_logs(), files_at_most(100):
            await check_failed(client, await made(client, PATH), "base_prompts")
        assert (await retry(client))["error"] == ""
