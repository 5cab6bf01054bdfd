"""A full disk: runs fail with an error, the server keeps running, and it recovers when space is freed."""

import itertools
import os
import resource
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from phaseline.errors import DiskFull
from tests.support.disks import files_at_most, fill
from tests.support.listening import Listener, connected
from tests.support.pictures import GOOD, Gate, ask, made, studio, wait_over
from tests.support.servers import server_process, serving

PATH = "/dalle/simple/0x1"


async def check_failed(client: httpx.AsyncClient, failed: dict[str, Any], phase: str) -> None:
    """Check that a run ended in this phase because the disk was full."""
    assert failed["done"] is True
    assert "free disk space" in failed["error"]
    errors = {each["name"]: each["error"] for each in failed["phases"]}
    assert errors[phase] == failed["error"]
    job = (await ask(client, f"/progress/job/{failed['jobId']}"))["job_status"]
    assert (job["state"], job["result"]["code"], job["result"]["stage"]) == ("failed", "DISK_FULL", phase)
    assert (await ask(client, "/health"))["status"] == "ok"
    # No file is incomplete, and none is reported that does not exist.
    assert failed["dalleDress"]["completed"] is False
    assert (await client.get(f"{PATH}?format=png")).json()["code"] == "NO_PICTURE"


async def retry(client: httpx.AsyncClient) -> dict[str, Any]:
    await ask(client, f"{PATH}?generate=1&retry=1")
    await wait_over()
    return await ask(client, PATH)


async def wait_done(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return the last snapshot of a run that waits for free space to report its end."""
    with trio.fail_after(60):
        while not (snapshot := await ask(client, PATH))["done"]:  # noqa: ASYNC110 - polls as users do
            await trio.sleep(0.05)
    return snapshot


@pytest.mark.slow
async def test_a_run_on_a_full_disk_is_rejected_until_space_is_freed(small_disk: Path) -> None:
    async with studio(small_disk, GOOD) as (client, _):
        filler = fill(small_disk)
        refused = await client.get(f"{PATH}?generate=1")
        assert (refused.status_code, refused.json()["code"]) == (507, "DISK_FULL")
        assert "free disk space" in refused.json()["error"]
        assert (await ask(client, "/health"))["status"] == "ok"
        filler.unlink()
        assert (await made(client, PATH))["error"] == ""


@pytest.mark.slow
async def test_a_run_on_a_disk_that_fills_up_can_be_repeated_once_space_is_freed(small_disk: Path) -> None:
    gate = Gate()
    async with studio(small_disk, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        with trio.fail_after(60):
            await gate.asked.wait()
        filler = fill(small_disk)
        gate.opened.set()
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert (await ask(client, "/health"))["status"] == "ok"
        filler.unlink()
        failed = await wait_done(client)
        if failed["error"]:  # it needed space while there was none
            assert (await ask(client, f"/progress/job/{failed['jobId']}"))["job_status"]["result"][
                "code"
            ] == "DISK_FULL"
            assert (await retry(client))["error"] == ""
        assert (await client.get(f"{PATH}?format=png")).status_code == 200


@pytest.mark.slow
async def test_a_painter_reports_a_full_disk(small_disk: Path) -> None:
    (small_disk / "series").mkdir()
    (small_disk / "series" / "simple.json").write_text('{"detail": 1}')
    async with serving(small_disk, picture_size="1024x1024") as client:
        filler = fill(small_disk)
        # Enough space for the reports, but not for a picture of this size.
        os.truncate(filler, filler.stat().st_size - 800_000)
        failed = await made(client, PATH)
        await check_failed(client, failed, "image_wait")
        assert not list((small_disk / "output" / ".scratch").iterdir())


@pytest.mark.slow
async def test_a_server_reports_a_full_disk_and_starts_once_space_is_freed(small_disk: Path) -> None:
    async with studio(small_disk, GOOD) as (client, _):
        await made(client, PATH)
    filler = fill(small_disk)
    with pytest.raises(BaseExceptionGroup) as refusal:
        async with serving(small_disk):
            raise AssertionError
    assert refusal.group_contains(DiskFull, match="free disk space, then start the server again")
    filler.unlink()
    async with serving(small_disk) as client:
        assert (await ask(client, PATH))["done"] is True
        assert (await client.get(f"{PATH}?format=png")).status_code == 200


async def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        with structlog.testing.capture_logs(), files_at_most(100):
            refused = await client.get(f"{PATH}?generate=1")
            assert (refused.status_code, refused.json()["code"]) == (507, "DISK_FULL")
        assert (await made(client, PATH))["error"] == ""


@pytest.mark.slow
async def test_a_disk_that_is_full_in_the_middle_of_a_batch_rejects_its_rest(tmp_path: Path) -> None:
    wal = tmp_path / "journal.sqlite3-wal"

    def starts(kind: str, count: int) -> list[dict[str, Any]]:
        numbered = {"type": "job_started", "producer": kind}
        return [
            numbered | {"job_id": f"{kind}-{number}", "name": secrets.token_hex(50), "producer_seq": number}
            for number in range(count)
        ]

    async with (
        server_process(tmp_path, "--max-body", "2000000") as server,
        httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as client,
    ):

        async def report(batch: list[dict[str, Any]]) -> dict[str, Any]:
            answer = (await client.post("/progress/batch", json=batch)).json()
            assert isinstance(answer, dict)
            return answer

        assert (await report(starts("first", 10)))["refused"] == 0
        before, batch = wal.stat().st_size, starts("large", 4000)
        assert (await report(starts("usual", 1000)))["refused"] == 0
        room = 2 * (wal.stat().st_size - before)
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size + room, hard))
        answer = await report(batch)
        good = [result["success"] for result in answer["results"]]
        assert 0 < answer["accepted"] == sum(good) < 4000
        assert good == sorted(good, reverse=True), "what is kept has no gap"
        assert {result["code"] for result in answer["results"] if not result["success"]} == {"DISK_FULL"}
        active = (await client.get("/progress/active")).json()["count"]
        assert active == 1010 + answer["accepted"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        again = await report(batch)
        assert again["refused"] == 0
        kept = [result["seq"] for result in answer["results"] if result["success"]]
        assert [result["seq"] for result in again["results"]][: len(kept)] == kept, "nothing is recorded twice"


@pytest.mark.slow
async def test_a_client_that_does_not_wait_for_acks_loses_nothing_when_the_disk_is_full(tmp_path: Path) -> None:
    wal, acked, sent = tmp_path / "journal.sqlite3-wal", 0, 0
    answers: list[str] = []

    async def send_report(listener: Listener, number: int) -> None:
        fields = {"job_id": "a", "producer": "p", "producer_seq": number}
        await listener.send("photo_info", photo_data={"number": number, "text": secrets.token_hex(500)}, **fields)

    async def send_reports(listener: Listener) -> None:
        nonlocal sent
        with suppress(ConnectionClosed):
            for sent in itertools.count(1):
                await send_report(listener, sent)
                await trio.lowlevel.checkpoint()

    async def receive_all(listener: Listener, pid: int, hard: int) -> None:
        nonlocal acked
        while True:
            answer = await listener.receive()
            answers.append(answer["type"])
            if answer["type"] == "ack":
                acked = answer["producer_seq"]
            else:
                assert answer["code"] == "DISK_FULL"
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))  # there is space again

    async with server_process(tmp_path) as server, httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        await client.post("/progress/start", json={"job_id": "a"})
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
        async with connected(server.url) as listener, trio.open_nursery() as nursery:
            await listener.send("register", client_type="test", acks=True)
            await listener.receive("registration_confirmed")
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size + 100_000, hard))
            nursery.start_soon(send_reports, listener)
            with pytest.raises(ConnectionClosed) as closed:
                await receive_all(listener, server.process.pid, hard)
            nursery.cancel_scope.cancel()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1001
            assert answers == sorted(answers), "no report is recorded after one that was rejected"
        async with connected(server.url) as listener:
            await listener.send("register", client_type="test", acks=True)
            await listener.receive("registration_confirmed")
            for number in range(acked + 1, sent + 1):
                await send_report(listener, number)
            for number in range(acked + 1, sent + 1):
                assert (await listener.receive("ack"))["producer_seq"] == number
        found = (await client.get("/progress/events", params={"limit": 10_000})).json()["messages"]
        assert [each["photo_data"]["number"] for each in found[1:]] == list(range(1, sent + 1))
