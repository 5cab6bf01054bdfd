"""Picture runs that are cancelled, and pictures that are removed."""

import base64
import io
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from phaseline_server.pictures import helpers
from phaseline_server.pictures.painter_process import Painter
from tests.support.misbehaving import Misbehaving, answer, misbehaving, silence
from tests.support.pictures import BAD, GOOD, Gate, ask, made, starts, studio, wait_over
from tests.support.servers import client_of, server_process, serving

PATH = "/dalle/simple/0xabc"


def images_api(api: Misbehaving) -> list[str]:
    """Return the flags of a server that gets its pictures from `api`."""
    return ["--provider", "openai", "--image-url", f"{api.url}/v1", "--image-retries", "0"]


def files(data_dir: Path) -> list[str]:
    return sorted(str(path.relative_to(data_dir)) for path in (data_dir / "output").rglob("*") if path.is_file())


async def delete(client: Any, path: str, status: int = 200) -> dict[str, Any]:
    response = await client.delete(path)
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_run_obeys_an_order_to_cancel_and_keeps_its_reason(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(30):
            await gate.asked.wait()
        job = "/progress/job/dalle:simple:0xabc"
        assert (await ask(client, job))["job_status"]["orders"] == ["cancel"]
        body = {"order": "cancel", "reason": "the wrong colors"}
        assert (await client.post(f"{job}/orders", json=body)).status_code == 200
        await wait_over()
        assert (await ask(client, PATH))["error"] == "the wrong colors"
        events = (await ask(client, "/progress/events"))["messages"]
        kinds = [event["type"] for event in events if event["type"].startswith(("order", "job_f"))]
        assert kinds == ["order_given", "order_taken", "job_failed"]
        refused = await client.post(f"{job}/orders", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "ILLEGAL_EVENT")


async def test_delete_cancels_an_active_run_and_every_poller_sees_it(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(30):
            await gate.asked.wait()
        assert len(files(tmp_path)) == 5
        assert await delete(client, PATH) == {"success": True, "cancelled": True, "removed": True}
        last = await ask(client, PATH)
        assert (last["done"], last["error"]) == (True, "cancelled")
        assert (await ask(client, "/progress/job/dalle:simple:0xabc"))["job_status"]["state"] == "cancelled"
        assert files(tmp_path) == []
        # Polling continues to report that; only an explicit request starts over.
        assert await ask(client, f"{PATH}?generate=1") == last
        assert (await ask(client, f"{PATH}?generate=1&retry=1"))["done"] is False


async def test_a_run_can_be_cancelled_before_anything_is_written(tmp_path: Path) -> None:
    """No file exists yet that could be removed, but the run is cancelled."""
    async with studio(tmp_path, silence) as (client, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, client, f"{PATH}?generate=1")
            while not await starts(client):
                await trio.lowlevel.checkpoint()
            assert (await delete(client, PATH))["cancelled"] is True
        assert (await ask(client, PATH))["error"] == "cancelled"
        assert files(tmp_path) == []


async def test_cancelling_does_not_wait_for_a_slow_caption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = trio.Event()

    async def takes_long(*_arguments: object) -> None:
        began.set()
        await trio.sleep_forever()

    monkeypatch.setattr(Painter, "caption", takes_long)
    async with studio(tmp_path, GOOD) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(60):
            await began.wait()
        assert (await delete(client, PATH))["cancelled"] is True
        assert (await ask(client, PATH))["error"] == "cancelled"
        assert files(tmp_path) == []


@pytest.mark.slow
async def test_huge_pictures_of_a_provider_are_rejected_without_being_decoded(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("1", (8000, 8000)).save(content, "PNG")
    bomb = answer({"data": [{"b64_json": base64.b64encode(content.getvalue()).decode()}]})
    async with misbehaving(bomb) as api, server_process(tmp_path, *images_api(api)) as server:
        async with client_of(server.url) as client:
            for address in ("0x1", "0x2", "0x3"):
                await ask(client, f"/dalle/simple/{address}?generate=1")
            with trio.fail_after(120):
                while not (last := await ask(client, "/dalle/simple/0x3"))["done"]:
                    pass
        status = await trio.Path(f"/proc/{server.process.pid}/status").read_text()
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
    assert last["error"] == (
        "the picture has 8000 x 8000 = 64,000,000 pixels; allowed: at most 4,194,304 pixels, and 4,096 a side"
    )
    assert peak < 180 * 1024, "a decoded picture has 64 MB at least, and 256 MB in color"


@pytest.mark.slow
async def test_a_run_that_just_ended_by_itself_is_removed_and_not_called_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = trio.Event(), threading.Event()

    def archive(*_arguments: object) -> None:
        trio.from_thread.run_sync(began.set)
        go_on.wait(60)

    # At that point, the job is completed, and the run has not quite ended.
    monkeypatch.setattr("phaseline_server.pictures.making.replace_file", archive)
    async with studio(tmp_path, GOOD, archive_runs=True) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(30):
            await began.wait()
        assert (await ask(client, PATH))["error"] == ""
        answers: list[dict[str, Any]] = []

        async def remove() -> None:
            answers.append(await delete(client, PATH))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(remove)
            while not helpers._running[-1][0]._runs["simple", "0xabc"].scope.cancel_called:
                await trio.lowlevel.checkpoint()
            go_on.set()
        assert answers == [{"success": True, "cancelled": False, "removed": True}]
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"


@pytest.mark.parametrize("by", ["DELETE", "GET"])
@pytest.mark.slow
async def test_a_picture_is_removed_with_all_that_belongs_to_it(tmp_path: Path, by: str) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, PATH)
        await made(client, "/dalle/simple/0xabcd")
        answer = await client.request(by, PATH if by == "DELETE" else f"{PATH}?remove=1")
        assert answer.json() == {"success": True, "cancelled": False, "removed": True}
        assert {Path(path).stem for path in files(tmp_path)} == {"0xabcd"}
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"
        assert (await delete(client, PATH, 404))["code"] == "NO_RUN"
        assert (await ask(client, f"{PATH}?generate=1"))["done"] is False


async def test_a_failed_run_is_forgotten(tmp_path: Path) -> None:
    async with studio(tmp_path, BAD) as (client, _):
        await made(client, PATH)
        assert (await delete(client, PATH))["cancelled"] is False
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"


async def test_a_run_that_was_cancelled_once_is_forgotten_by_the_second_delete(tmp_path: Path) -> None:
    async with studio(tmp_path, silence) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        assert (await delete(client, PATH))["cancelled"] is True
        assert (await delete(client, PATH))["cancelled"] is False
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"


async def test_other_methods_get_405_with_the_allowed_ones(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.put(PATH)
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.json()["error"] == f"{PATH} does not accept PUT; allowed: DELETE, GET, HEAD, OPTIONS, POST"
        assert set(answer.headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}
