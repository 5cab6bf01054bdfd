"""Pictures and runs that are removed, cancelled, badly named, or interfered with."""

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
from tests.support.disks import names
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


# ------------------------------------------------------------------ cancelled and removed


async def test_a_run_takes_an_order_to_cancel_and_keeps_its_reason(tmp_path: Path) -> None:
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
        # Polling goes on telling so; only somebody who means it starts over.
        assert await ask(client, f"{PATH}?generate=1") == last
        assert (await ask(client, f"{PATH}?generate=1&retry=1"))["done"] is False


async def test_cancelling_waits_in_a_queue_too(tmp_path: Path) -> None:
    """Nothing was written yet, nothing is left to remove: it is cancelled all the same."""
    async with studio(tmp_path, silence) as (client, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, client, f"{PATH}?generate=1")
            while not await starts(client):
                await trio.lowlevel.checkpoint()
            assert (await delete(client, PATH))["cancelled"] is True
        assert (await ask(client, PATH))["error"] == "cancelled"
        assert files(tmp_path) == []


async def test_cancelling_does_not_wait_for_a_caption_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


async def test_huge_pictures_of_a_provider_are_refused_and_cost_the_server_no_memory(tmp_path: Path) -> None:
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


async def test_a_run_that_just_ended_by_itself_is_removed_and_not_called_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = trio.Event(), threading.Event()

    def archive(*_arguments: object) -> None:
        trio.from_thread.run_sync(began.set)
        go_on.wait(60)

    # The job has been completed then, and the run is not quite over.
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


async def test_other_methods_are_refused_with_those_that_are_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.put(PATH)
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.json()["error"] == f"{PATH} does not accept PUT; allowed: DELETE, GET, HEAD, OPTIONS, POST"
        assert set(answer.headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}


# ------------------------------------------------------------------ bad names

BAD_SERIES = [
    "a b",
    "b%0a",
    "ä",
    "x" * 65,
    ".",
    "a.b",
    "%00",
    "a%0d%0aX",
    "%1b[31m",
    "..",
    "%2e%2e",
    "a%2fb",
    "a/b",
    "a\\b",
    "+",
]
BAD_ADDRESSES = ["abc", "0x", "0xg", "0x" + "1" * 65, "1x1", "0x1.png", "0x1%00", "0x1%0d%0a", "0x1 ", "%1b0x1", "0x١"]


async def test_bad_names_are_refused_with_their_code_and_touch_nothing(tmp_path: Path) -> None:
    cases = [(f"/dalle/{series}/0x1", "INVALID_SERIES") for series in BAD_SERIES]
    cases += [(f"/dalle/simple/{address}", "INVALID_ADDRESS") for address in BAD_ADDRESSES]
    cases += [("/dalle//0x1", "INVALID_SERIES"), ("/dalle/simple/", "INVALID_ADDRESS")]
    async with serving(tmp_path) as client:
        port = client.base_url.port
        assert port
        for path, code in cases:
            for query in ("", "?generate=1", "?remove=1"):
                # Raw: a client of good manners would tidy such paths up.
                status, body = await raw_get(port, path + query)
                assert (status, code in body) == (400, True), (path, body)
                assert body.isascii()
                assert body.isprintable()
        assert await starts(client) == 0
    assert names(tmp_path) == ["journal.lock", "journal.sqlite3"]


async def raw_get(port: int, target: str) -> tuple[int, str]:
    """Return status and body of what answers a request for exactly this target."""
    line = target.replace(" ", "%20").encode("utf-8")
    quoted = b"".join(b"%%%02X" % byte if byte > 126 else bytes([byte]) for byte in line)
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % quoted)
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def test_too_few_parts_are_no_path(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for path in ("/dalle", "/dalle/", "/dalle/simple"):
            assert (await ask(client, path, 404))["code"] == "NOT_FOUND"


async def test_the_error_for_an_unknown_series_lists_the_known_ones(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for query in ("", "?generate=1"):
            error = await ask(client, f"/dalle/nowhere/0x1{query}", 404)
            assert error["code"] == "UNKNOWN_SERIES"
            assert "defined: nocturne, simple" in error["error"]
        assert await starts(client) == 0


async def test_a_broken_series_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "mine.json").write_text('{"detail": 99}')
    async with serving(tmp_path) as client:
        for query in ("", "?generate=1"):
            error = await ask(client, f"/dalle/mine/0x1{query}", 422)
            assert error["code"] == "BAD_SERIES_FILE"
            assert "series/mine.json" in error["error"]
        assert await starts(client) == 0


# ------------------------------------------------------------------ others who report under a run's id


async def test_a_stranger_who_ends_a_runs_job_ends_no_server(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        ended = await client.post("/progress/complete", json={"job_id": "dalle:simple:0xabc", "success": False})
        assert ended.status_code == 200
        gate.opened.set()
        await wait_over()
        assert (await ask(client, "/health"))["status"] == "ok"
        assert (await ask(client, PATH))["done"] is True
        assert (await made(client, "/dalle/simple/0x1"))["error"] == ""


async def test_a_strangers_job_under_a_runs_id_is_in_its_way_until_it_ends(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, api):
        job = {"job_id": "dalle:simple:0xabc", "workflow": "dalle"}
        assert (await client.post("/progress/start", json=job)).status_code == 200
        error = await ask(client, f"{PATH}?generate=1", 409)
        assert error["code"] == "ILLEGAL_EVENT"
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"
        await client.post("/progress/complete", json={"job_id": "dalle:simple:0xabc"})
        assert (await made(client, PATH))["error"] == ""
        assert len(api.requests) == 1


async def test_a_server_full_of_active_jobs_rejects_a_new_run(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, max_jobs=1) as (client, _):
        await client.post("/progress/start", json={"job_id": "a"})
        answer = await client.get(f"{PATH}?generate=1")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, "TOO_MANY", "1")
        await client.post("/progress/complete", json={"job_id": "a"})
        assert (await made(client, PATH))["error"] == ""


async def test_runs_that_the_tracker_forgot_are_forgotten_here_too(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, max_jobs=1) as (client, _):
        for number in range(5):
            await made(client, f"/dalle/simple/0x{number}")
        assert len(helpers._running[-1][0]._runs) == 2


async def test_a_client_that_leaves_at_the_worst_moment_leaves_a_whole_run_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        runs = helpers._running[-1][0]
        prepared = runs._prepared

        def leave(*arguments: Any, **options: Any) -> Any:
            trio.from_thread.run_sync(leaving.cancel)
            return prepared(*arguments, **options)

        monkeypatch.setattr(runs, "_prepared", leave)
        with trio.CancelScope() as leaving:
            await runs.start("simple", "0xabc")
        await wait_over()
        last = await ask(client, PATH)
        assert (last["done"], last["error"]) == (True, "")
        assert (await delete(client, PATH))["removed"] is True


async def test_a_client_that_leaves_while_a_run_begins_leaves_it_whole(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        port = client.base_url.port
        assert port
        for _ in range(20):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(b"GET %s?generate=1 HTTP/1.1\r\nHost: localhost\r\n\r\n" % PATH.encode())
        last = await made(client, PATH)
        assert (last["done"], last["error"]) == (True, "")
        assert await starts(client) == 1
