"""`/dalle/<series>/<address>`: its answers in every situation, and that no picture is made twice."""

import gc
import io
from pathlib import Path

import pytest
import trio
from PIL import Image

from phaseline_server.jobs.watchdog import Watchdog
from phaseline_server.pictures import helpers
from tests.support.misbehaving import silence
from tests.support.pictures import BAD, GOOD, Gate, ask, forget_jobs, made, starts, studio, wait_over
from tests.support.servers import serving

PATH = "/dalle/simple/0xabc"


def series_file(data_dir: Path, name: str, content: str) -> None:
    (data_dir / "series").mkdir(exist_ok=True)
    (data_dir / "series" / f"{name}.json").write_text(content)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files(data_dir: Path) -> list[str]:
    return sorted(str(path.relative_to(data_dir)) for path in (data_dir / "output").rglob("*") if path.is_file())


# ------------------------------------------------------------------ nothing known


async def test_a_plain_get_starts_no_run_and_explains_how_to_start_one(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, api):
        error = await ask(client, PATH, 404)
        assert error["code"] == "NO_RUN"
        assert "GET /dalle/simple/0xabc?generate=1" in error["error"]
        assert "POST /dalle/simple/0xabc" in error["error"]
        assert await starts(client) == 0
        assert api.requests == []
    assert [name for name in entries(tmp_path) if not name.startswith("journal")] == []


async def test_generate_gives_the_first_snapshot_of_a_new_run(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, _):
        first = await ask(client, f"{PATH}?generate=1")
        assert (first["done"], first["error"], first["cacheHit"], first["percent"]) == (False, "", False, 0)
        assert first["currentPhase"] == "setup"
        assert first["jobId"] == "dalle:simple:0xabc"


@pytest.mark.slow
async def test_post_starts_a_run_as_generate_does(tmp_path: Path) -> None:
    async with studio(tmp_path, BAD, GOOD) as (client, _):
        first = (await client.post(PATH)).json()
        assert (first["done"], first["percent"]) == (False, 0)
        await wait_over()
        assert (await client.post(PATH)).json()["error"]
        await client.post(f"{PATH}?retry=1")
        await wait_over()
        assert (await ask(client, PATH))["error"] == ""


@pytest.mark.parametrize("value", ["0", "", "no", "2", "generate"])
async def test_an_unclear_value_of_generate_starts_no_run(tmp_path: Path, value: str) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await ask(client, f"{PATH}?generate={value}", 404)
        assert await starts(client) == 0


# ------------------------------------------------------------------ a run is active


async def test_a_request_for_an_active_run_returns_it_and_starts_no_other(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, api):
        first = await ask(client, f"{PATH}?generate=1")
        for query in ("", "?generate=1", "?generate=1&retry=1", "?retry=1"):
            again = await ask(client, PATH + query)
            assert (again["startedNs"], again["done"]) == (first["startedNs"], False)
        assert (await client.post(f"{PATH}?retry=1")).json()["startedNs"] == first["startedNs"]
        assert await starts(client) == 1
        assert len(api.requests) <= 1


async def test_concurrent_requests_share_one_run(tmp_path: Path) -> None:
    snapshots = []
    async with studio(tmp_path, silence) as (client, api):

        async def generate(address: str) -> None:
            snapshots.append(await ask(client, f"/dalle/simple/{address}?generate=1"))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(generate, "0xABC" if number % 2 else "0xabc")
        assert len({snapshot["startedNs"] for snapshot in snapshots}) == 1
        assert {snapshot["address"] for snapshot in snapshots} == {"0xabc"}
        assert await starts(client) == 1
        assert len(api.requests) <= 1


async def test_different_pictures_are_different_runs(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, _):
        for path in (PATH, "/dalle/nocturne/0xabc", "/dalle/simple/0xabcd", "/dalle/simple/0x0abc"):
            await ask(client, f"{path}?generate=1")
        assert await starts(client) == 4


# ------------------------------------------------------------------ a run ended lately


@pytest.mark.slow
async def test_a_finished_run_answers_every_poller(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, api):
        last = await made(client, PATH)
        assert (last["done"], last["error"], last["percent"], last["cacheHit"]) == (True, "", 100, False)
        for query in ("", "?generate=1", "", "?generate=1"):
            assert await ask(client, PATH + query) == last
        assert len(api.requests) == await starts(client) == 1


async def test_a_failed_run_answers_every_poller_with_200_and_its_error(tmp_path: Path) -> None:
    async with studio(tmp_path, BAD) as (client, api):
        last = await made(client, PATH)
        assert last["done"] is True
        assert last["currentPhase"] == "completed"
        assert last["percent"] < 100
        assert "no paint left" in last["error"]
        phases = {phase["name"]: phase for phase in last["phases"]}
        assert phases["image_wait"]["error"] == phases["completed"]["error"] == last["error"]
        assert phases["image_wait"]["endedNs"] > 0
        assert phases["annotate"] | {"error": ""} == {
            "name": "annotate",
            "startedNs": 0,
            "endedNs": 0,
            "skipped": False,
            "error": "",
        }
        for query in ("", "?generate=1", ""):
            assert await ask(client, PATH + query) == last
        assert len(api.requests) == await starts(client) == 1


@pytest.mark.parametrize("first", [GOOD, BAD])
async def test_retry_starts_over_at_once_and_once(tmp_path: Path, first: object) -> None:
    snapshots = []
    async with studio(tmp_path, first, silence) as (client, _):  # type: ignore[arg-type]
        last = await made(client, PATH)

        async def retry() -> None:
            snapshots.append(await ask(client, f"{PATH}?generate=1&retry=1"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(retry)
        [begun] = {snapshot["startedNs"] for snapshot in snapshots}
        assert begun > last["startedNs"]
        assert not any(snapshot["done"] or snapshot["cacheHit"] for snapshot in snapshots)
        assert await starts(client) == 2


async def test_a_failed_run_is_forgotten_after_done_ttl(tmp_path: Path) -> None:
    async with studio(tmp_path, BAD, done_ttl=0.0) as (client, api):
        await ask(client, f"{PATH}?generate=1")
        await wait_over()
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"
        assert (await ask(client, f"{PATH}?generate=1"))["done"] is False
        await wait_over()
        assert len(api.requests) == 2


@pytest.mark.slow
async def test_a_made_picture_is_a_cache_hit_after_done_ttl(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, done_ttl=0.0) as (client, api):
        await ask(client, f"{PATH}?generate=1")
        await wait_over()
        for query in ("", "?generate=1", "?generate=1&retry=1"):
            assert (await ask(client, PATH + query))["cacheHit"] is True
        assert len(api.requests) == 1


@pytest.mark.parametrize(("retention", "kept_for"), [(0.0, 300.0), (3600.0, 3600.0)])
async def test_a_finished_run_is_kept_for_done_ttl_even_if_jobs_are_kept_for_less(
    tmp_path: Path, retention: float, kept_for: float
) -> None:
    async with serving(tmp_path, retention=retention, done_ttl=300.0):
        tracker = helpers._running[-1][1]
        # Those of earlier servers may not have been collected yet.
        ours = [each for each in gc.get_objects() if isinstance(each, Watchdog) and each._tracker is tracker]
        assert [each.limits.retention_s for each in ours] == [kept_for]


# ------------------------------------------------------------------ the picture is there, no run is known


@pytest.mark.slow
async def test_an_existing_picture_is_never_made_again(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        run = await made(client, PATH)
    before = files(tmp_path)
    forget_jobs(tmp_path)
    async with studio(tmp_path, GOOD) as (client, api):
        hit = await ask(client, PATH)
        assert await starts(client) == 0
        assert (hit["done"], hit["cacheHit"], hit["percent"], hit["error"]) == (True, True, 100, "")
        assert (hit["etaSeconds"], hit["currentPhase"]) == (0, "completed")
        assert hit.keys() == run.keys()
        assert hit["dalleDress"] == run["dalleDress"] | {"cacheHit": True}
        for query in ("?generate=1", "?generate=1&retry=1", "?generate=1", ""):
            again = await ask(client, PATH + query)
            assert (again["done"], again["cacheHit"]) == (True, True)
        assert files(tmp_path) == before
        assert api.requests == []


@pytest.mark.slow
async def test_retry_makes_a_missing_picture_of_a_cache_hit_again(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, PATH)
    forget_jobs(tmp_path)
    async with studio(tmp_path, GOOD) as (client, api):
        await ask(client, f"{PATH}?generate=1")
        for kind in ("annotated", "generated"):
            (tmp_path / f"output/simple/{kind}/0xabc.png").unlink()
        assert (await ask(client, f"{PATH}?generate=1"))["cacheHit"] is True
        assert (await ask(client, f"{PATH}?generate=1&retry=1"))["cacheHit"] is False
        await wait_over()
        assert len(api.requests) == 1


@pytest.mark.slow
async def test_a_cache_hit_is_one_job_for_all_clients(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, PATH)
    forget_jobs(tmp_path)
    async with serving(tmp_path) as client:
        for query in ("?generate=1", "?generate=1", "?generate=1&retry=1"):
            assert (await ask(client, PATH + query))["cacheHit"] is True
        assert await starts(client) == 1
        jobs = (await ask(client, "/progress/jobs"))["jobs"]
        assert [(job["state"], job["cache_hit"]) for job in jobs] == [("completed", True)]


@pytest.mark.slow
async def test_a_picture_of_a_deleted_series_is_still_served(tmp_path: Path) -> None:
    series_file(tmp_path, "mine", "{}")
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/mine/0x1")
    forget_jobs(tmp_path)
    (tmp_path / "series" / "mine.json").unlink()
    async with serving(tmp_path) as client:
        assert (await ask(client, "/dalle/mine/0x1"))["cacheHit"] is True
        assert (await ask(client, "/dalle/mine/0x1?generate=1"))["cacheHit"] is True
        assert (await ask(client, "/dalle/mine/0x2?generate=1", 404))["code"] == "UNKNOWN_SERIES"


@pytest.mark.slow
async def test_a_damaged_stored_dress_is_created_again(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        run = await made(client, PATH)
    (tmp_path / "output" / "simple" / "selector" / "0xabc.json").write_text("{")
    async with serving(tmp_path) as client:
        hit = await ask(client, f"{PATH}?generate=1")
        assert hit["done"]
        assert hit["dalleDress"]["prompt"] == run["dalleDress"]["prompt"]


# ------------------------------------------------------------------ the picture itself


@pytest.mark.slow
async def test_the_picture_can_be_requested_by_accept_header_or_format(tmp_path: Path) -> None:
    png = {"Accept": "image/png"}
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        for missing in (await client.get(PATH, headers=png), await client.get(f"{PATH}?format=png")):
            assert (missing.status_code, missing.json()["code"]) == (404, "NO_PICTURE")
        early = await client.get(f"{PATH}?generate=1&format=png")
        assert (early.status_code, early.json()["code"]) == (404, "NO_PICTURE")
        assert await starts(client) == 1
        gate.opened.set()
        await wait_over()
        on_disk = (tmp_path / "output/simple/annotated/0xabc.png").read_bytes()
        for answer in (
            await client.get(PATH, headers=png),
            await client.get(PATH, headers={"Accept": "image/*,*/*;q=0.8"}),
            await client.get(f"{PATH}?format=png"),
            await client.get(f"{PATH}?format=png&generate=1"),
        ):
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
            assert "Accept" in answer.headers["Vary"]
            assert answer.content == on_disk
        width, height = Image.open(io.BytesIO(on_disk)).size
        assert width == 64
        assert height > 64


@pytest.mark.slow
async def test_other_requests_get_the_snapshot(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, PATH)
        for accept in ("*/*", "application/json", "text/html,*/*;q=0.8", "image/png;q=0.5,*/*", "", "junk"):
            answer = await client.get(PATH, headers={"Accept": accept})
            assert answer.json()["done"] is True
            assert answer.headers["Cache-Control"] == "no-store"
        as_json = await client.get(f"{PATH}?format=json", headers={"Accept": "image/png"})
        assert as_json.json()["done"] is True


async def test_an_unknown_format_is_rejected(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        error = await ask(client, f"{PATH}?format=gif", 422)
        assert error["code"] == "INVALID_FIELD"
        assert error["error"] == "format is 'gif'; allowed: json, png or thumbnail"
