"""Real faults: full and failing disks, suspended subscribers, and exhausted file descriptors."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.crashing import Crashing, crashing
from tests.support.disks import files_at_most, fill
from tests.support.listening import Listener, listening
from tests.support.servers import serving

SUPPORT = Path(__file__).resolve().parents[2] / "support"


async def report(client: httpx.AsyncClient, number: int) -> httpx.Response:
    """Report about a job with a text of 2 kB, so that few reports fill a disk."""
    body = {"job_id": "a", "stage": "importing", "message": f"{number} {'x' * 2000}"}
    return await client.post("/progress/report", json=body)


async def report_until_refused(client: httpx.AsyncClient) -> tuple[list[int], httpx.Response]:
    """Report until the disk is full; return the numbers of the accepted reports, and the last refusal."""
    taken: list[int] = []
    refused: list[httpx.Response] = []
    # The journal may free some space when the disk is full, so that the next report is accepted.
    while len(refused) < 3:
        answer = await report(client, len(taken))
        if answer.status_code == 200:
            taken.append(answer.json()["seq"])
            refused.clear()
        else:
            refused.append(answer)
    return taken, refused[-1]


async def numbers(client: httpx.AsyncClient) -> list[int]:
    answer = (await client.get("/progress/events", params={"limit": 10_000})).json()
    return [message["seq"] for message in answer["messages"]]


async def check_full(client: httpx.AsyncClient, listener: Listener, first: int) -> int:
    """Check a server's behavior on a full disk; return the number of the last accepted report."""
    taken, refusal = await report_until_refused(client)
    last = taken[-1] if taken else first
    assert refusal.status_code == 507
    assert (refusal.json()["success"], refusal.json()["code"]) == (False, "DISK_FULL")
    assert "free disk space; the server recovers by itself" in refusal.json()["error"]
    # Reads are served, and do not show the rejected reports.
    status = (await client.get("/progress/job/a")).json()["job_status"]
    assert (status["seq"], status["state"]) == (last, "active")
    assert await numbers(client) == list(range(1, last + 1))
    # A rejected start creates no job. (Smaller reports may still find enough space.)
    more = {"job_id": "b", "photo_info": {"pad": "x" * 30_000}}
    assert (await client.post("/progress/start", json=more)).status_code == 507
    assert (await client.get("/progress/job/b")).status_code == 404
    # The stream continues: all accepted reports have arrived, and nothing else.
    assert [(await listener.receive("job_progress"))["seq"] for _ in taken] == taken
    await listener.send("ping")
    await listener.receive("pong")
    return last


async def check_healed(client: httpx.AsyncClient, listener: Listener, last: int) -> None:
    assert (await report(client, 0)).json()["seq"] == last + 1
    assert (await listener.receive("job_progress"))["seq"] == last + 1
    assert (await client.post("/progress/start", json={"job_id": "b"})).status_code == 200


@pytest.mark.slow
async def test_a_full_disk_rejects_reports_only_and_recovers(small_disk: Path) -> None:
    async with crashing(small_disk) as box:
        await box.report("start", "a")
        async with listening(box.server.url, "jobs") as listener:
            filler = fill(small_disk)
            last = await check_full(box.client, listener, 1)
            filler.unlink()
            await check_healed(box.client, listener, last)
        await box.kill()
    async with crashing(small_disk) as box:
        assert [message["seq"] for message in await box.events()] == list(range(1, last + 3))


@pytest.mark.slow
async def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a"})
        async with listening(client, "jobs") as listener:
            with files_at_most(200_000):
                last = await check_full(client, listener, 1)
            await check_healed(client, listener, last)


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "failing_disk.so"
    source = SUPPORT / "failing_disk.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib", "-o", str(library), str(source)], check=True)
    return library


@pytest.mark.slow
@pytest.mark.needs("cc")
@pytest.mark.parametrize("call", ["FAIL_FSYNC", "FAIL_WRITE"])
async def test_a_failing_disk_ends_the_server_before_anything_more_is_acknowledged(
    tmp_path: Path, failing_disk: Path, call: str
) -> None:
    data_dir, flag = tmp_path / "data", tmp_path / "fail"
    data_dir.mkdir()
    env = {"LD_PRELOAD": str(failing_disk), call: str(flag)}
    async with crashing(data_dir, env=env) as box:
        taken = [await box.report("start", "a")]
        taken += [await box.report("report", "a", stage="importing", progress=number) for number in range(10)]
        flag.touch()
        try:
            answer = await report(box.client, 11)
            assert (answer.status_code, answer.json()["code"]) == (503, "JOURNAL_FAILED")
        except httpx.TransportError:
            pass  # it has ended before it could answer
        assert await box.server.process.wait() not in (0, None)
    output = "\n".join(box.server.log)
    assert "cannot write journal.sqlite3" in output
    assert "check the disk, then start the server again" in output
    flag.unlink()
    async with crashing(data_dir) as box:
        found = [message["seq"] for message in await box.events()]
        # Rejected reports may be there, because such a disk may have stored them; nothing else is.
        assert found[: len(taken)] == taken
        assert len(found) <= len(taken) + 1
        assert await box.report("report", "a", stage="exporting") == found[-1] + 1


def heavy(numbers_: range) -> list[dict[str, Any]]:
    return [
        {"type": "job_progress", "job_id": "a", "stage": "importing", "message": f"{number} {'x' * 2000}"}
        for number in numbers_
    ]


@pytest.mark.slow
async def test_a_suspended_subscriber_is_disconnected_and_can_resume(tmp_path: Path) -> None:
    async with crashing(tmp_path, "--queue", "100") as box:
        await box.report("start", "a")
        port = str(httpx.URL(box.server.url).port)
        command = [sys.executable, str(SUPPORT / "stopped_subscriber.py"), port]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as still:  # noqa: ASYNC220 - a moment
            assert still.stdout is not None
            try:
                assert await trio.to_thread.run_sync(still.stdout.readline) == "subscribed\n"
                still.send_signal(signal.SIGSTOP)
                async with listening(box.server.url, "jobs") as listener:
                    seq = 1
                    while (await box.get("/ws/status"))["slow_subscribers"] == 0:
                        await box.batch(*heavy(range(100)))
                        for _ in range(100):
                            seq += 1
                            assert (await listener.receive("job_progress"))["seq"] == seq
                still.send_signal(signal.SIGCONT)
                output = await trio.to_thread.run_sync(still.stdout.readline)
            finally:
                still.kill()
        last, code = map(int, output.split())
        assert code in {4008, 0}  # nothing, if the kernel dropped its buffers with the connection
        messages = await box.events()
        missed = await box.get("/progress/events", since=f"{messages[0]['epoch']}/{last}", limit=10_000)
        assert missed["recovered"] is True
        assert missed["messages"] == messages[last:]


async def crowd(box: Crashing, count: int) -> list[trio.SocketStream]:
    """Open as many connections as possible."""
    port, streams = httpx.URL(box.server.url).port, []
    assert port is not None
    for _ in range(count):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"GET /hea")
        streams.append(stream)
    return streams


async def test_a_server_recovers_from_exhausted_file_descriptors(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        await box.report("start", "a")
        held = len(os.listdir(f"/proc/{box.server.process.pid}/fd"))  # noqa: PTH208 - nothing waits for this disk
        resource.prlimit(box.server.process.pid, resource.RLIMIT_NOFILE, (held + 20, held + 20))
        streams = await crowd(box, 100)
        # Connected clients are served.
        assert await box.report("report", "a", stage="importing") == 2
        for stream in streams:
            await trio.aclose_forcefully(stream)
        async with listening(box.server.url, "jobs") as listener:
            assert await box.report("report", "a", stage="exporting") == 3
            assert (await listener.receive("job_progress"))["seq"] == 3
        assert box.server.process.returncode is None
